/**
 * All sessions, for whoever looks for one: what each is called, what it does and whether it waits for the person.
 *
 * One row has its place in the order of Tab, and the arrows lead from it to the others. What a list does by itself costs
 * nobody their place: the row that has the focus keeps it wherever it goes, and as long as the pointer is over the list,
 * rows stay in the order in which they are.
 */

import { useEffect, useLayoutEffect, useRef, useState } from 'preact/hooks'

import { Icon, type IconName } from '../view/Icon'
import { IconButton } from '../view/IconButton'
import { memo } from '../view/memo'
import { words } from '../words'
import { number } from '../words/numbers'
import type { Listed, SessionList, SessionState } from './list'
import { ago, type Group, groupOf, moment } from './when'

/** What is done with a session, by whoever has the panel. */
export interface PanelActions {
  /** `aside`: not where it is usually opened. */
  open(row: Listed, aside: boolean): void
  create(): void
  rename(row: Listed): void
  remove(row: Listed): void
}

interface Props {
  list: SessionList
  actions: PanelActions
  /** Milliseconds, by the server's clock. */
  now: number
}

export function Panel({ list, actions, now }: Props) {
  const { query, phase, offline } = list
  const [typed, setTyped] = useState(query)
  const search = (text: string) => {
    setTyped(text)
    list.search(text)
  }
  const options = useRef<HTMLDivElement>(null)
  const onKeyDown = (event: KeyboardEvent) => {
    if (event.key === 'Escape' && typed) search('')
    else if (event.key === 'ArrowDown') options.current?.querySelector<HTMLElement>('[tabindex="0"]')?.focus()
    else return
    event.preventDefault()
    event.stopPropagation()
  }
  const rows = useSteady(list.rows, options)
  return (
    <div class="jdc-panel">
      <div class="jdc-panel-bar" role="toolbar" aria-label={words.chats}>
        <div class="jdc-panel-search">
          <Icon name="search" />
          <input
            type="search"
            class="jdc-panel-input"
            aria-label={words.searchChats}
            placeholder={words.searchChats}
            value={typed}
            onInput={(event) => search(event.currentTarget.value)}
            onKeyDown={onKeyDown}
          />
        </div>
        <IconButton icon="plus" class="jdc-panel-new" label={words.newChat} onClick={() => actions.create()} />
      </div>
      {offline !== null && (
        <div class="jdc-panel-problem" role="alert">
          <Icon name="warn" />
          <span>{offline || words.problem(0)}</span>
          <button type="button" class="jdc-link" onClick={() => list.retry()}>
            {words.tryAgain}
          </button>
        </div>
      )}
      <div class="jdc-unseen" role="status">
        {query && phase === 'there' ? words.chatsFound(rows.length, number(rows.length)) : ''}
      </div>
      {rows.length > 0 ? (
        <Rows box={options} rows={rows} list={list} actions={actions} now={now} />
      ) : phase === 'there' ? (
        <Nothing query={query} create={() => actions.create()} />
      ) : (
        offline === null && <div class="jdc-panel-nothing jdc-shimmer">{words.coming}</div>
      )}
    </div>
  )
}

function Nothing({ query, create }: { query: string; create(): void }) {
  if (query) return <div class="jdc-panel-nothing">{words.noChatFound(query)}</div>
  return (
    <div class="jdc-panel-nothing">
      <Icon name="agent" />
      <strong>{words.noChats}</strong>
      <span>{words.noChatsText}</span>
      <button type="button" class="jdc-primary" onClick={create}>
        {words.newChat}
      </button>
    </div>
  )
}

interface RowsProps extends Props {
  box: { current: HTMLDivElement | null }
  rows: readonly Listed[]
}

function Rows({ box, rows: given, list, actions, now }: RowsProps) {
  const groups = grouped(given, now)
  const rows = groups.flatMap(([, , members]) => members)
  const [chosen, setChosen] = useState<string | null>(null)
  const place = Math.max(0, rows.findIndex(({ id }) => id === chosen))
  const hadFocus = Boolean(box.current?.contains(box.current.ownerDocument.activeElement))
  const rowAt = (at: number) => box.current?.querySelector<HTMLElement>(`[data-chat="${rows[at]?.id}"]`)
  // A row that changes its place, or is no more, leaves the focus to nobody.
  useLayoutEffect(() => {
    if (hadFocus && !box.current?.contains(box.current.ownerDocument.activeElement)) rowAt(place)?.focus()
  })
  const move = (to: number) => {
    const at = Math.min(Math.max(to, 0), rows.length - 1)
    setChosen(rows[at]?.id ?? null)
    rowAt(at)?.focus()
    rowAt(at)?.scrollIntoView({ block: 'nearest' })
  }
  const onKeyDown = (event: KeyboardEvent) => {
    const row = rows[place]
    const fits = Math.max(1, Math.floor((box.current?.clientHeight ?? 0) / (rowAt(place)?.offsetHeight || 1)) - 1)
    const to = { ArrowDown: place + 1, ArrowUp: place - 1, Home: 0, End: rows.length - 1, PageDown: place + fits, PageUp: place - fits }[event.key]
    if (to !== undefined) move(to)
    else if (!row) return
    else if (event.key === 'Enter' || event.key === ' ') actions.open(row, event.ctrlKey || event.metaKey)
    else if (event.key === 'F2') actions.rename(row)
    else if (event.key === 'Delete') actions.remove(row)
    else return
    event.preventDefault()
    event.stopPropagation()
  }
  return (
    <div
      ref={box}
      class="jdc-panel-rows"
      role="listbox"
      aria-label={words.chats}
      onKeyDown={onKeyDown}
      onFocusIn={({ target }) => target instanceof HTMLElement && target.dataset.chat && setChosen(target.dataset.chat)}
    >
      {groups.map(([group, from, members]) => (
        <div key={group} role="group" aria-label={words.sessionGroups[group]}>
          <div class="jdc-panel-group" aria-hidden="true">
            {words.sessionGroups[group]}
          </div>
          {members.map((row, index) => (
            <Row
              key={row.id}
              row={row}
              time={ago(row.updated_at, now)}
              at={from + index + 1}
              of={list.more ? -1 : rows.length}
              isChosen={from + index === place}
              open={actions.open}
            />
          ))}
        </div>
      ))}
      {list.more && <End key={rows.length} reached={() => void list.extend()} />}
    </div>
  )
}

/** In the order of the rows, each with the place of its first one. Rows that are kept in their places may be of a group again. */
function grouped(rows: readonly Listed[], now: number): [Group, number, Listed[]][] {
  const groups = new Map<Group, Listed[]>([['today', []], ['yesterday', []], ['week', []], ['older', []]])
  for (const row of rows) groups.get(groupOf(row.updated_at, now))?.push(row)
  let from = 0
  return [...groups].flatMap(([group, members]): [Group, number, Listed[]][] => {
    const first = from
    from += members.length
    return members.length > 0 ? [[group, first, members]] : []
  })
}

const MARKS: Record<SessionState, IconName> = {
  streaming: 'retry',
  waiting: 'ask',
  attention: 'warn',
  failed: 'cross',
  ready: 'check',
  idle: 'agent',
}

interface RowProps {
  row: Listed
  time: string
  at: number
  of: number
  isChosen: boolean
  open: PanelActions['open']
}

/** Drawn again only if something of it has changed: with every event somewhere, a list of a thousand is looked through. */
const Row = memo(function Row({ row, time, at, of, isChosen, open }: RowProps) {
  const { id, title, state, unread, muted, notebook, preview, updated_at } = row
  const file = notebook?.split('/').at(-1)
  const name = title ?? words.untitledChat
  const marks = [words.sessionStates[state], unread && words.unreadChat, muted && words.mutedChat].filter(Boolean)
  return (
    <div
      class="jdc-panel-row"
      role="option"
      aria-selected={isChosen}
      aria-posinset={at}
      aria-setsize={of}
      tabIndex={isChosen ? 0 : -1}
      data-chat={id}
      data-state={state}
      data-unread={unread}
      title={[name, words.sessionStates[state], notebook, moment(updated_at)].filter(Boolean).join('\n')}
      onClick={(event) => open(row, event.ctrlKey || event.metaKey)}
    >
      <span class="jdc-panel-mark">{state === 'streaming' ? <span class="jdc-panel-ring" /> : <Icon name={MARKS[state]} />}</span>
      <span class="jdc-panel-title">{name}</span>
      <span class="jdc-unseen">{`(${marks.join(', ')})`}</span>
      <time class="jdc-panel-time" dateTime={updated_at}>
        {time}
      </time>
      <span class="jdc-panel-about">
        {file && (
          <span class="jdc-panel-file">
            <Icon name="cell" /> {file}
          </span>
        )}
        <span>{preview}</span>
      </span>
      <span class="jdc-panel-signs">
        {muted && <Icon name="silent" />}
        {unread && <span class="jdc-panel-unread" />}
      </span>
    </div>
  )
})

/** The end of what was read. One who comes near reads on. */
function End({ reached }: { reached(): void }) {
  const end = useRef<HTMLDivElement>(null)
  useEffect(() => {
    const seen = new IntersectionObserver((entries) => entries.some(({ isIntersecting }) => isIntersecting) && reached(), { rootMargin: '600px' })
    if (end.current) seen.observe(end.current)
    return () => seen.disconnect()
  }, [])
  return (
    <div ref={end} role="presentation" class="jdc-panel-more jdc-shimmer">
      {words.coming}
    </div>
  )
}

/** These rows, in the order in which they were when the pointer came; what is new comes first. */
function useSteady(rows: readonly Listed[], box: { current: HTMLDivElement | null }): readonly Listed[] {
  const order = useRef<Map<string, number> | null>(null)
  const shown = useRef(rows)
  const held = order.current
  if (box.current?.matches(':hover') !== true) order.current = null
  else if (!held) order.current = new Map(shown.current.map(({ id }, place) => [id, place]))
  const kept = order.current
  shown.current = kept ? [...rows].sort((one, other) => (kept.get(one.id) ?? -1) - (kept.get(other.id) ?? -1)) : rows
  return shown.current
}
