/** What waits for its turn, the next one first: everybody who sees it may change, move (by dragging, too) or remove it. */

import { useLayoutEffect, useRef } from 'preact/hooks'
import { textsOf, type UIMessage } from '../transcript'
import { words } from '../words'
import { number } from '../words/numbers'
import { type Dragging, useDragging } from './dragging'
import { useEditing } from './editing'
import { Icon } from './Icon'
import { IconButton } from './IconButton'
import { AmendingEditor, Editor, Unsent } from './late'
import type { Signs } from './people'
import { Byline } from './Person'
import type { Actions, Outgoing } from './types'

interface Props {
  queue: readonly UIMessage[]
  /** What will wait once it has reached the server, and what messages that wait are to say instead. */
  outgoing: readonly Outgoing[]
  held: string | null
  /** `null`: it can only be looked at. */
  actions: Actions | null
  /** In a cell of one turn there is one message to take away; the chat is where one writes. */
  whole: boolean
  /** Whose names are said. */
  signs: Signs
  /** A text whose message has gone meanwhile. */
  left(text: string): void
}

export function Queue({ queue, outgoing, held, actions, whole, signs, left }: Props) {
  const list = useRef<HTMLOListElement>(null)
  const moved = useRef<{ id: string; by: number } | null>(null)
  const order = queue.map(({ id }) => id)
  const dragging = useDragging(order, (order) => actions?.reorderQueue(order))
  useLayoutEffect(() => {
    // An element that changes its place loses the focus.
    if (!moved.current || !list.current) return
    const { id, by } = moved.current
    moved.current = null
    const row = [...list.current.children].find((row) => row instanceof HTMLElement && row.dataset['messageId'] === id)
    const buttons = by < 0 ? ['.jdc-move-up', '.jdc-move-down'] : ['.jdc-move-down', '.jdc-move-up']
    const [button] = buttons.flatMap((name) => row?.querySelector<HTMLElement>(`${name}:enabled`) ?? [])
    button?.focus()
  }, [order.join()])
  const coming = outgoing.filter(({ edits }) => edits === null || !order.includes(edits))
  const count = queue.length + coming.length
  if (count === 0) return null

  const move = (id: string, by: number) => {
    const place = order.indexOf(id)
    const next = order.filter((other) => other !== id)
    next.splice(place + by, 0, id)
    moved.current = { id, by }
    actions?.reorderQueue(next)
  }
  const remove = (id: string) => {
    // The row is about to go: the focus stays in the list, or goes on to the input.
    const rows = [...(list.current?.querySelectorAll<HTMLElement>('.jdc-remove') ?? [])]
    const place = rows.findIndex((button) => button.closest('li')?.dataset['messageId'] === id)
    const next = rows[place + 1] ?? rows[place - 1] ?? list.current?.closest('.jdc-chat')?.querySelector<HTMLElement>('.jdc-input')
    next?.focus()
    actions?.removeQueued(id)
  }
  return (
    <section class="jdc-queue" role="group" aria-label={words.queue} data-held={held ?? undefined}>
      <div class="jdc-queue-head">
        <Icon name={held === null ? 'clock' : 'pause'} />
        <span role="status">{held === null ? words.waiting(count, number(count)) : heldBack(held, count)}</span>
        {held !== null && actions && (
          <button type="button" class="jdc-resume jdc-button" onClick={() => actions.resumeQueue()}>
            <Icon name="play" /> {words.resume}
          </button>
        )}
      </div>
      <ol class="jdc-queue-list" ref={list}>
        {queue.map((message, index) => (
          <Waiting
            key={message.id}
            message={message}
            edited={outgoing.find(({ edits }) => edits === message.id) ?? null}
            first={index === 0}
            last={index === queue.length - 1}
            actions={actions}
            whole={whole}
            signed={signs(message.metadata.author)}
            dragging={dragging}
            move={move}
            remove={remove}
            left={left}
          />
        ))}
        {actions &&
          coming.map((item) => <Coming key={item.clientId} item={item} actions={actions} left={left} />)}
      </ol>
    </section>
  )
}

function heldBack(held: string, count: number): string {
  return held === 'stopped' ? words.heldStopped(count, number(count)) : words.held(count, number(count), held)
}

interface ComingProps {
  item: Outgoing
  actions: Actions
  left(text: string): void
}

function Coming({ item, actions, left }: ComingProps) {
  const { editing, button, begin, end } = useEditing()
  return (
    <li class="jdc-queued jdc-outgoing" data-client-id={item.clientId}>
      {editing ? (
        <AmendingEditor item={item} actions={actions} left={left} close={end} />
      ) : (
        <>
          <span class="jdc-queued-text" dir="auto">
            {item.text}
          </span>
          <Unsent item={item} actions={actions} edit={{ button, begin }} />
        </>
      )}
    </li>
  )
}

interface WaitingProps extends Pick<Props, 'actions' | 'whole' | 'left'> {
  message: UIMessage
  signed: boolean
  edited: Outgoing | null
  first: boolean
  last: boolean
  dragging: Dragging
  move(id: string, by: number): void
  remove(id: string): void
}

function Waiting({ message, signed, edited, first, last, actions, whole, dragging, move, remove, left }: WaitingProps) {
  const { id, parts, metadata } = message
  const { editing, button, begin, end } = useEditing()
  const text = textsOf(message).join('\n\n')
  const files = parts.filter(({ type }) => type !== 'text').length
  const mode = message.metadata['resolved_mode'] ?? message.metadata.mode
  const style = { order: dragging.placeOf(id) }
  const moves = actions !== null && whole && !(first && last)
  if (editing) {
    return (
      <li class="jdc-queued" data-message-id={id} style={style}>
        <Editor
          text={text}
          label={words.queued}
          action={words.saveEdit}
          wait={actions ? null : words.saveNever}
          save={(text) => actions?.editQueued(id, text)}
          close={end}
          left={left}
        />
      </li>
    )
  }
  return (
    <li
      class={edited ? 'jdc-queued jdc-outgoing' : 'jdc-queued'}
      data-message-id={id}
      data-dragged={dragging.dragged === id || undefined}
      style={style}
    >
      {moves && (
        <span class="jdc-drag" title={words.drag} aria-hidden="true" onPointerDown={(event) => dragging.begin(id, event)}>
          <Icon name="grip" />
        </span>
      )}
      {signed && metadata.author && <Byline author={metadata.author} />}
      <span class="jdc-queued-text" dir="auto">
        {edited?.text ?? text}
        {(mode === 'ask' || mode === 'plan') && <i> · {words.inMode[mode]}</i>}
        {files > 0 && <i> + {words.files(files, number(files))}</i>}
      </span>
      {edited && actions && <Unsent item={edited} actions={actions} />}
      {actions && (
        <span class="jdc-queued-actions">
          {moves && (
            <>
              <IconButton icon="higher" class="jdc-move-up" label={words.moveUp} disabled={first} onClick={() => move(id, -1)} />
              <IconButton icon="lower" class="jdc-move-down" label={words.moveDown} disabled={last} onClick={() => move(id, 1)} />
            </>
          )}
          {whole && (
            <IconButton
              icon="edit"
              class="jdc-edit"
              label={words.editMessage}
              disabled={edited !== null}
              button={button}
              onClick={begin}
            />
          )}
          <IconButton icon="cross" class="jdc-remove" label={words.removeMessage} onClick={() => remove(id)} />
        </span>
      )}
    </li>
  )
}
