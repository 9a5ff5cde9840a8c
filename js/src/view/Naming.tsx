/**
 * What is named in a message: `@`, variables, cells and files of the notebook around; `/`, at its beginning, the agent that
 * is to answer this one, and prompts. The names are offered while they are written, in a list that the input keeps the focus
 * over. What was chosen stands below the text, and is what it is when it is sent: a variable has the value that it has then.
 */

import type { AriaAttributes, RefObject, VNode } from 'preact'
import { useContext, useEffect, useId, useRef, useState } from 'preact/hooks'
import type { Part } from '../transcript'
import { words } from '../words'
import { Desk } from './desk'
import { Icon } from './Icon'
import { IconButton } from './IconButton'
import { isComposing } from './keys'
import { type Offer, offersOf, type Token, tokenAt } from './offers'
import type { Mention, Notebook, Refusal } from './types'

export interface Naming {
  /** The list of names, while one is being written. */
  list: VNode | null
  /** What was chosen. */
  chips: VNode | null
  /** What says to a screen reader which name is offered. */
  aria: AriaAttributes
  /** Whether the key was for the list. */
  onKeyDown(event: KeyboardEvent): boolean
  /** The text, or the place in it, has changed. */
  look(): void
  close(): void
  /** The agent that is to answer this message; `null`: whoever answers. */
  agent: string | null
  /** What goes with the text, asked for now. Rejects with the reason, in words; then everything is as it was. */
  resolve(text: string, signal: AbortSignal): Promise<Part[]>
  /** Nothing is chosen any more: the message is gone. */
  clear(): void
}

interface Props {
  input: RefObject<HTMLTextAreaElement | null>
  notebook: Notebook | null
  /** Replaces the text; what is selected then. */
  write(text: string, from: number, to: number): void
}

export function useNaming({ input, notebook, write }: Props): Naming {
  const actions = useContext(Desk)
  const id = useId()
  const [token, setToken] = useState<Token | null>(null)
  const [offers, setOffers] = useState<Offer[]>([])
  const [at, setAt] = useState(0)
  const [mentions, setMentions] = useState<Mention[]>([])
  const [agent, setAgent] = useState<string | null>(null)
  /** A name whose list was closed: it stays closed until another is begun. */
  const closed = useRef<number | null>(null)

  const look = () => {
    const { current: field } = input
    const found = field && field.selectionStart === field.selectionEnd ? tokenAt(field.value, field.selectionStart) : null
    if (found?.start !== closed.current) closed.current = null
    const next = closed.current === null ? found : null
    setToken((token) => (next?.kind === token?.kind && next?.query === token?.query && next?.start === token?.start ? token : next))
  }
  const close = () => {
    closed.current = token?.start ?? null
    setToken(null)
  }
  useEffect(() => {
    if (!token || !actions || !input.current) return setOffers([])
    const asking = new AbortController()
    offersOf(token, { actions, notebook, from: input.current, signal: asking.signal }).then(
      (offers) => {
        if (asking.signal.aborted) return
        setOffers(offers)
        setAt(0)
      },
      () => asking.signal.aborted || setOffers([]),
    )
    return () => asking.abort()
  }, [token, actions, notebook])

  const take = (offer: Offer) => {
    const { current: field } = input
    if (!token || !field) return
    const before = field.value.slice(0, token.start)
    const after = field.value.slice(token.end)
    closed.current = null
    if (offer.kind === 'prompt') {
      const hole = /\{[^{}\n]*\}/.exec(offer.text)
      const from = hole ? hole.index : offer.text.length
      write(offer.text + after, from, hole ? from + hole[0].length : from)
    } else if (offer.kind === 'agent') {
      setAgent(offer.name)
      write(after.trimStart(), 0, 0)
    } else {
      const isFolder = offer.kind === 'file' && offer.name.endsWith('/')
      const name = `@${offer.name}${isFolder || /^\s/.test(after) ? '' : ' '}`
      if (!isFolder) setMentions((all) => [...all.filter((one) => !isSame(one, offer)), offer])
      write(before + name + after, before.length + name.length, before.length + name.length)
    }
  }

  const onKeyDown = (event: KeyboardEvent): boolean => {
    if (!token || offers.length === 0 || isComposing(event)) return false
    const { key, shiftKey, ctrlKey, metaKey, altKey } = event
    if (ctrlKey || metaKey || altKey || shiftKey) return false
    const offer = offers[at]
    if (key === 'ArrowDown') setAt((at + 1) % offers.length)
    else if (key === 'ArrowUp') setAt((at + offers.length - 1) % offers.length)
    else if ((key === 'Enter' || key === 'Tab') && offer) take(offer)
    else if (key === 'Escape') close()
    else return false
    event.preventDefault()
    event.stopPropagation() // Esc stops no answer here
    return true
  }

  const resolve = async (text: string, signal: AbortSignal): Promise<Part[]> => {
    const named = mentions.filter(({ name }) => names(text, name))
    const { current: from } = input
    if (named.length === 0 || !from) return []
    return Promise.all(
      named.map(async (mention) => {
        try {
          if (!notebook || !actions) throw new Error('noCell' satisfies Refusal)
          const found = await notebook.mentioned(mention, from, signal)
          return found instanceof File ? await actions.upload(found, signal) : found
        } catch (error) {
          throw new Error(words.notNamed(mention.name, worded((error as Error).message)))
        }
      }),
    )
  }

  const isOpen = token !== null && offers.length > 0
  return {
    list: isOpen ? <List id={id} offers={offers} at={at} take={take} /> : null,
    chips:
      agent !== null || mentions.length > 0 ? (
        <Chosen
          agent={agent}
          mentions={mentions.filter(({ name }) => names(input.current?.value ?? '', name))}
          forget={() => setAgent(null)}
          remove={(mention) => setMentions((all) => all.filter((one) => one !== mention))}
        />
      ) : null,
    aria: {
      'aria-autocomplete': 'list',
      'aria-haspopup': 'listbox',
      ...(isOpen ? { 'aria-controls': id, 'aria-activedescendant': `${id}-${at}` } : {}),
    },
    onKeyDown,
    look,
    close,
    agent,
    resolve,
    clear() {
      setMentions([])
      setAgent(null)
      setToken(null)
      closed.current = null
    },
  }
}

interface ListProps {
  id: string
  offers: Offer[]
  at: number
  take(offer: Offer): void
}

function List({ id, offers, at, take }: ListProps) {
  const element = useRef<HTMLUListElement>(null)
  useEffect(() => element.current?.children[at]?.scrollIntoView({ block: 'nearest' }), [at])
  return (
    <ul class="jdc-names" id={id} role="listbox" aria-label={words.names} ref={element}>
      {offers.map((offer, index) => (
        <li
          key={`${offer.kind}:${offer.name}`}
          id={`${id}-${index}`}
          class="jdc-name"
          role="option"
          aria-selected={index === at}
          data-kind={offer.kind}
          data-name={offer.name}
          onPointerDown={(event) => {
            event.preventDefault() // the input keeps the focus
            take(offer)
          }}
        >
          <span class="jdc-name-kind">{words.nameKinds[offer.kind]}</span>
          <b dir="auto">{offer.name}</b>
          <span class="jdc-name-detail" dir="auto">
            {offer.detail}
          </span>
        </li>
      ))}
    </ul>
  )
}

interface ChosenProps {
  agent: string | null
  mentions: Mention[]
  forget(): void
  remove(mention: Mention): void
}

function Chosen({ agent, mentions, forget, remove }: ChosenProps) {
  return (
    <ul class="jdc-attached jdc-named" aria-label={words.named}>
      {agent !== null && (
        <li class="jdc-attachment" data-kind="agent">
          <Icon name="send" />
          <span class="jdc-attachment-name">{words.answeredBy(agent)}</span>
          <IconButton icon="cross" class="jdc-detach" label={words.remove(agent)} onClick={forget} />
        </li>
      )}
      {mentions.map((mention) => (
        <li key={`${mention.kind}:${mention.name}`} class="jdc-attachment" data-kind={mention.kind}>
          <Icon name={mention.kind === 'file' ? 'file' : 'link'} />
          <span class="jdc-attachment-name">{mention.name}</span>
          <span class="jdc-attachment-size">{mention.detail}</span>
          <IconButton icon="cross" class="jdc-detach" label={words.remove(mention.name)} onClick={() => remove(mention)} />
        </li>
      ))}
    </ul>
  )
}

function isSame(one: Mention, other: Mention): boolean {
  return one.kind === other.kind && one.name === other.name
}

/** Whether the text still has `@name`, and not as the beginning of a longer one. */
function names(text: string, name: string): boolean {
  return text.split(/\s+/).some((word) => word.replace(/[.,;:!?)\]]+$/, '') === `@${name}` || word === `@${name}`)
}

function worded(message: string): string {
  return message in words.refusals ? words.refusals[message as Refusal] : message
}
