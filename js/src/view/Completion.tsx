/**
 * What can be named at the caret, to be chosen by keys or by a press, while the focus stays where one writes. (A text area takes no
 * role of a combobox; what a combobox says of its list, it says, too.) The list is above everything, where nothing cuts it off.
 */

import type { RefObject } from 'preact'
import { useContext, useEffect, useId, useLayoutEffect, useRef, useState } from 'preact/hooks'
import { words } from '../words'
import { number } from '../words/numbers'
import { Desk } from './desk'
import { Icon, type IconName } from './Icon'
import { isComposing } from './keys'
import { type Token, tokenAt } from './names'
import type { AgentInfo, Mention, Mentions, Notebook, Prompt } from './types'

export type Option =
  | { kind: 'mention'; name: string; detail: string; mention: Mention }
  | { kind: 'agent'; name: string; detail: string; agent: AgentInfo }
  | { kind: 'prompt'; name: string; detail: string; prompt: Prompt }

interface Offer {
  options: readonly Option[]
  /** What is not among them. */
  note: string | null
  /** With what comes to them. */
  later?: Promise<Offer>
}

interface Props {
  input: RefObject<HTMLTextAreaElement | null>
  notebook: Notebook | null
  pick(option: Option, token: Token): void
}

export function useCompletion({ input, notebook, pick }: Props) {
  const actions = useContext(Desk)
  const id = useId()
  const [token, setToken] = useState<Token | null>(null)
  const [offer, setOffer] = useState<Offer | null>(null)
  /** The key of what was gone to; the first one else. */
  const [chosen, setChosen] = useState<string | null>(null)
  /** Where a list was closed: it does not open again for the same word. */
  const closed = useRef<number | null>(null)
  const { sign, query } = token ?? {}
  const isAsked = sign === '/' ? actions !== null : sign === '@' && notebook !== null

  useEffect(() => {
    if (!isAsked) {
      setOffer(null)
      return
    }
    const closing = new AbortController()
    const show = (offer: Offer | null) => {
      offer?.later?.then(show, () => undefined) // what is there stays
      if (!closing.signal.aborted) setOffer(offer)
    }
    setChosen(null)
    const found = sign === '/' ? commands() : mentions(closing.signal)
    found.then(show, () => show(null))
    return () => closing.abort()
  }, [sign, query, isAsked])

  const commands = async (): Promise<Offer> => {
    const { agents = [], prompts = [] } = (await actions?.agents(false)) ?? {}
    const fits = rank(query ?? '')
    const options: Option[] = [
      ...agents.filter(({ available }) => available).map((agent) => ({ kind: 'agent', name: agent.name, detail: agent.description ?? '', agent }) as const),
      ...prompts.map((prompt) => ({ kind: 'prompt', name: prompt.name, detail: prompt.description || prompt.text, prompt }) as const),
    ]
    return { options: options.filter(({ name }) => fits(name) < 2).sort((a, b) => fits(a.name) - fits(b.name)), note: null }
  }
  const mentions = async (signal: AbortSignal): Promise<Offer> => {
    const none: Mentions = { found: [], kernel: 'ready' }
    return offered(input.current ? ((await notebook?.mentions(query ?? '', input.current, signal)) ?? none) : none)
  }

  const close = () => {
    closed.current = token?.start ?? null
    setToken(null)
  }
  /** Look again what is at the caret. */
  const look = () => {
    const field = input.current
    const isCaret = field !== null && field.selectionStart === field.selectionEnd
    const found = isCaret ? tokenAt(field.value, field.selectionStart) : null
    if (found?.start !== closed.current) closed.current = null
    setToken((token) => (closed.current !== null ? null : isSame(token, found) ? token : found))
  }
  const choose = (option: Option) => {
    if (!token) return
    setToken(null)
    pick(option, token)
  }

  const { options = [], note = null } = (token && isAsked && offer) || {}
  const isOpen = options.length > 0 || note !== null
  const active = Math.max(
    0,
    options.findIndex((option) => keyOf(option) === chosen),
  )
  const setActive = (index: number) => setChosen(options[index] ? keyOf(options[index]) : null)
  /** Whether a key was for the list. */
  const onKey = (event: KeyboardEvent): boolean => {
    if (!isOpen || isComposing(event) || event.ctrlKey || event.metaKey || event.altKey || event.shiftKey) return false
    const step = event.key === 'ArrowDown' ? 1 : event.key === 'ArrowUp' ? -1 : 0
    const option = options[active]
    // What is written out is chosen with the space behind it.
    const isAtEnd = token?.end === input.current?.selectionStart
    const whole = event.key === ' ' && isAtEnd ? options.find(({ name }) => name === query) : undefined
    if (step !== 0 && options.length > 0) setActive((active + step + options.length) % options.length)
    else if (option && (event.key === 'Enter' || event.key === 'Tab')) choose(option)
    else if (whole) choose(whole)
    else if (event.key === 'Escape') close()
    else return false
    event.preventDefault()
    event.stopPropagation() // Esc stops no answer here
    return true
  }
  return {
    look,
    onKey,
    leave: () => setToken(null),
    attributes: {
      'aria-autocomplete': 'list' as const,
      'aria-haspopup': 'listbox' as const,
      ...(isOpen ? { 'aria-controls': id } : {}),
      ...(options[active] ? { 'aria-activedescendant': `${id}-${active}` } : {}),
    },
    list: isOpen && (
      <List id={id} input={input} options={options} note={note} active={active} setActive={setActive} choose={choose} close={close} />
    ),
  }
}

function offered({ found, kernel, later }: Mentions): Offer {
  const options = found.map((mention) => ({ kind: 'mention', name: mention.name, detail: mention.detail, mention }) as const)
  const offer = { options, note: kernel === 'ready' ? null : words.variablesMissing[kernel] }
  return later ? { ...offer, later: later.then(offered) } : offer
}

function keyOf(option: Option): string {
  return `${iconOf(option)} ${option.name}`
}

/** 0: it begins so; 1: it has it; 2: neither. */
function rank(query: string): (name: string) => number {
  const wanted = query.toLowerCase()
  return (name) => {
    const place = name.toLowerCase().indexOf(wanted)
    return place < 0 ? 2 : Math.min(place, 1)
  }
}

function isSame(one: Token | null, other: Token | null): boolean {
  return one?.sign === other?.sign && one?.query === other?.query && one?.start === other?.start && one?.end === other?.end
}

interface ListProps extends Offer {
  id: string
  input: RefObject<HTMLTextAreaElement | null>
  active: number
  setActive(index: number): void
  choose(option: Option): void
  close(): void
}

function List({ id, input, options, note, active, setActive, choose, close }: ListProps) {
  const element = useRef<HTMLDivElement>(null)
  useLayoutEffect(() => {
    const { current: popup } = element
    popup?.showPopover?.()
    const closing = new AbortController()
    const follow = () => popup && !place(popup, input.current) && close()
    addEventListener('scroll', (event) => event.target !== popup && follow(), { capture: true, passive: true, signal: closing.signal })
    addEventListener('resize', follow, { signal: closing.signal })
    return () => closing.abort()
  }, [])
  useLayoutEffect(() => {
    if (element.current) place(element.current, input.current)
  }, [options, note])
  useLayoutEffect(() => {
    element.current?.querySelector('[aria-selected="true"]')?.scrollIntoView({ block: 'nearest' })
  }, [active, options])
  return (
    <div class="jdc-completion" popover="manual" ref={element} onMouseDown={(event) => event.preventDefault()}>
      <ul id={id} role="listbox" aria-label={words.suggestions}>
        {options.map((option, index) => (
          <li
            key={keyOf(option)}
            id={`${id}-${index}`}
            class="jdc-suggestion"
            role="option"
            aria-selected={index === active}
            onMouseMove={() => setActive(index)}
            onClick={() => choose(option)}
          >
            <Icon name={iconOf(option)} />
            <b>{option.name}</b>
            <span>{option.detail}</span>
            <i>{kindOf(option)}</i>
          </li>
        ))}
      </ul>
      {note !== null && <p>{note}</p>}
      <div class="jdc-unseen" role="status">
        {options.length > 0 ? words.suggestionCount(options.length, number(options.length)) : note}
      </div>
    </div>
  )
}

/** Above what one writes, or below where there is more room; `false` when that is out of sight. */
function place(popup: HTMLElement, input: HTMLElement | null): boolean {
  const box = input?.closest('.jdc-composer')?.getBoundingClientRect()
  if (!box || box.bottom < 0 || box.top > innerHeight) return false
  const [above, below] = [box.top, innerHeight - box.bottom]
  const isAbove = above >= Math.min(popup.scrollHeight, 280) || above > below
  Object.assign(popup.style, {
    left: `${box.left}px`,
    width: `${box.width}px`,
    top: isAbove ? 'auto' : `${box.bottom + 4}px`,
    bottom: isAbove ? `${innerHeight - box.top + 4}px` : 'auto',
    maxHeight: `${Math.max(Math.min((isAbove ? above : below) - 12, 280), 80)}px`,
  })
  return true
}

function kindOf(option: Option): string {
  return words.namedKinds[option.kind === 'mention' ? option.mention.kind : option.kind]
}

function iconOf(option: Option): IconName {
  return option.kind === 'mention' ? option.mention.kind : option.kind
}
