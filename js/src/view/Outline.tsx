/** The turns of a session, to be looked through and gone to; and the keys of the chat. */

import { useEffect, useId, useLayoutEffect, useMemo, useRef, useState } from 'preact/hooks'
import type { UIMessage } from '../transcript'
import { words } from '../words'
import { clock } from '../words/numbers'
import { Icon } from './Icon'
import { closedByEscape } from './escape'
import { isComposing } from './keys'
import { type TurnLine, turnsOf } from './turns'

interface Props {
  messages: readonly UIMessage[]
  /** The turn that runs, by its question. */
  running: string | null
  goTo(question: string): void
  foldAll(folded: boolean): void
  help(): void
  close(): void
}

export function Outline({ messages, running, goTo, foldAll, help, close }: Props) {
  const id = useId()
  const [query, setQuery] = useState('')
  const [chosen, setChosen] = useState<string | null>(null)
  const input = useRef<HTMLInputElement>(null)
  const list = useRef<HTMLUListElement>(null)
  const wanted = query.trim().toLowerCase()
  const turns = useMemo(() => turnsOf(messages), [messages])
  const found = turns.filter(({ text }) => text.toLowerCase().includes(wanted))
  const at = Math.max(
    found.findIndex((turn) => turn.id === chosen),
    chosen === null ? found.length - 1 : 0,
  )
  useLayoutEffect(() => input.current?.focus({ preventScroll: true }), [])
  useEffect(() => {
    const row = list.current?.querySelector<HTMLElement>('[aria-selected="true"]')
    if (row && list.current) list.current.scrollTop += row.offsetTop - list.current.scrollTop - list.current.clientHeight / 2
  }, [at, query])
  const onKeyDown = (event: KeyboardEvent) => {
    const step = event.key === 'ArrowDown' ? 1 : event.key === 'ArrowUp' ? -1 : 0
    if (isComposing(event) || event.altKey) return
    if (step !== 0) setChosen(found[Math.min(Math.max(at + step, 0), found.length - 1)]?.id ?? null)
    else if (event.key === 'Enter' && event.target === input.current) found[at] && goTo(found[at].id)
    else if (event.key === 'Escape') close()
    else return
    event.preventDefault()
    event.stopPropagation() // Esc stops no answer here
  }
  return (
    <div class="jdc-outline" role="dialog" aria-label={words.turns} onKeyDown={onKeyDown}>
      <input
        ref={input}
        class="jdc-outline-filter"
        type="text"
        role="combobox"
        aria-expanded="true"
        aria-controls={`${id}-list`}
        {...(found[at] ? { 'aria-activedescendant': `${id}-${found[at].id}` } : {})}
        aria-label={words.filterTurns}
        placeholder={words.filterTurns}
        value={query}
        onInput={(event) => {
          setQuery(event.currentTarget.value)
          setChosen('')
        }}
      />
      <ul ref={list} id={`${id}-list`} class="jdc-turns" role="listbox" aria-label={words.turns}>
        {found.map((turn, index) => (
          <li
            key={turn.id}
            id={`${id}-${turn.id}`}
            role="option"
            aria-selected={index === at}
            data-turn-of={turn.id}
            onClick={() => goTo(turn.id)}
          >
            <span class="jdc-turn-text" dir="auto">
              {turn.text || words.noText}
            </span>
            <Mark turn={turn} running={turn.id === running} />
            {turn.at && <time dateTime={turn.at}>{clock(turn.at)}</time>}
          </li>
        ))}
      </ul>
      {found.length === 0 && <p class="jdc-aside">{words.noTurns}</p>}
      <div class="jdc-outline-foot">
        <button type="button" class="jdc-link jdc-fold-all" onClick={() => foldAll(true)}>
          {words.foldAll}
        </button>
        <button type="button" class="jdc-link jdc-unfold-all" onClick={() => foldAll(false)}>
          {words.unfoldAll}
        </button>
        <button type="button" class="jdc-link jdc-help" onClick={help}>
          {words.keyboard}
        </button>
      </div>
    </div>
  )
}

function Mark({ turn: { outcome }, running }: { turn: TurnLine; running: boolean }) {
  if (running) return <span class="jdc-turn-mark jdc-shimmer">{words.answering}</span>
  if (outcome === null || outcome === 'completed') return null
  return (
    <span class="jdc-turn-mark" data-kind={outcome}>
      <Icon name={outcome === 'failed' ? 'warn' : outcome === 'stopped' ? 'stop' : 'cut'} /> {words.outcomes[outcome]}
    </span>
  )
}

/** All keys of the chat. */
export function Shortcuts({ close }: { close(): void }) {
  const element = useRef<HTMLDivElement>(null)
  useLayoutEffect(() => element.current?.focus({ preventScroll: true }), [])
  return (
    <div
      ref={element}
      class="jdc-outline jdc-shortcuts"
      role="dialog"
      aria-label={words.keyboard}
      tabIndex={-1}
      onKeyDown={closedByEscape(close)}
    >
      <b>{words.keyboard}</b>
      <dl>
        {words.shortcuts.map(([keys, what]) => (
          <div key={keys}>
            <dt>
              <kbd>{keys}</kbd>
            </dt>
            <dd>{what}</dd>
          </div>
        ))}
      </dl>
      <button type="button" class="jdc-button" onClick={close}>
        {words.close}
      </button>
    </div>
  )
}
