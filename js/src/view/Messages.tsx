/**
 * The messages, one below the other. Of a long session most are not drawn (see nearby.ts): each has its slot, which stays
 * the same element whether it is full or empty.
 */

import { Component, type ComponentChildren, type VNode } from 'preact'
import { useCallback } from 'preact/hooks'
import { textsOf, type UIMessage, versions } from '../transcript'
import { words } from '../words'
import { number } from '../words/numbers'
import type { Folds } from './folds'
import { FoldedAnswer, OutgoingMessage } from './late'
import { Message, type MessageActions } from './Message'
import { type Nearby, useNearby } from './nearby'
import { signsIn } from './people'
import type { Position } from './position'
import type { ChatViewProps, ConnectionState, Outgoing } from './types'

/** How tall the line of a folded answer is, about. */
const FOLDED = 28

interface Props extends ChatViewProps {
  position: Position
  messages: UIMessage[]
  /** Of the outbox, what changes one of the messages, and what is to follow them. */
  edits: Outgoing[]
  fresh: Outgoing[]
  messageActions: MessageActions | null
  /** Something is in the queue, if nothing is here. */
  waits: boolean
  folds: Folds
  /** Where this puts what finds messages. */
  nearby: { current: Nearby | null }
}

/**
 * The list draws itself anew whenever something comes into sight. It is all that this component draws: an element that is
 * among somebody's `children` is kept there by Preact as it was first, and with it everything that was ever drawn.
 */
export function Messages(props: Props) {
  return <List {...props} />
}

function List(props: Props) {
  const { position, folds, transcript, turn, state, messages, edits, fresh, actions, messageActions, waits, you } = props
  const nearby = useNearby(position, messages, folds, turn !== null)
  props.nearby.current = nearby
  const fold = useCallback((question: string, folded: boolean) => folds.fold([question], folded), [folds])
  // What is alone need not be folded to find something else.
  const canFold = turn === null && messages.filter(({ role }) => role === 'user').length > 1
  let question = ''
  const omitted = turn === null ? (transcript?.omitted ?? 0) : 0
  if (messages.length === 0 && fresh.length === 0) {
    return waits ? null : <Empty turn={turn} state={state} asks={actions !== null} />
  }
  // Only what follows the same message as something on another branch has versions.
  const signs = signsIn(transcript, you)
  const forks = new Set(transcript?.others.map(({ metadata }) => metadata.parent))
  return (
    <>
      {omitted > 0 && <p class="jdc-aside" role="none">{words.leftOut(omitted, number(omitted))}</p>}
      {messages.map((message, index) => {
        if (message.role === 'user') question = message.id
        const isFolded = canFold && folds.has(question)
        const folded = isFolded && message.role === 'assistant' ? question : null
        if (turn === null && !nearby.isDrawn(index)) {
          return <Slot key={message.id} message={message} height={folded ? FOLDED : nearby.heightOf(message)} />
        }
        const place = { at: omitted + index + 1, of: omitted + messages.length }
        const running = transcript?.turn?.message_id === message.id && state !== 'static' && state !== 'gone' ? transcript.turn : null
        return (
          <Slot key={message.id} message={message} height={null}>
            {folded !== null ? (
              <FoldedAnswer message={message} {...place} running={running !== null} question={folded} fold={fold} />
            ) : (
              <Message
                message={message}
                {...place}
                turn={running}
                live={state === 'live'}
                signed={signs(message.role === 'user' ? message.metadata.author : message.metadata.stopped_by)}
                edited={edits.find((item) => item.edits === message.id) ?? null}
                last={index === messages.length - 1}
                actions={messageActions}
                busy={transcript?.turn != null}
                folded={canFold ? isFolded : null}
                fold={fold}
                {...versionOf(message, transcript && forks.has(message.metadata.parent) ? versions(transcript, message) : [message])}
              />
            )}
          </Slot>
        )
      })}
      {actions &&
        messageActions &&
        fresh.map((item) => <OutgoingMessage key={item.clientId} item={item} actions={actions} left={messageActions.left} />)}
    </>
  )
}

interface SlotProps {
  message: UIMessage
  /** Of one that is not drawn, how tall its place is. */
  height: number | null
  children?: ComponentChildren
}

/** The place of a message. Where the message is not drawn, its text can be searched for. */
class Slot extends Component<SlotProps> {
  override shouldComponentUpdate({ message, height }: SlotProps): boolean {
    return height === null || height !== this.props.height || message !== this.props.message
  }

  override render({ message, height, children }: SlotProps): VNode {
    if (height === null) return <div class="jdc-slot">{children}</div>
    const texts = textsOf(message)
    return (
      <div class="jdc-slot jdc-away" style={{ height: `${height}px` }}>
        <div ref={untilFound}>{texts.join('\n')}</div>
      </div>
    )
  }
}

/** Not to be seen, but to be found: a browser that finds it says so before it shows it. */
function untilFound(element: HTMLElement | null): void {
  element?.setAttribute('hidden', 'until-found')
}

/** Where a message stands among its versions. */
function versionOf({ id }: UIMessage, siblings: UIMessage[]) {
  const index = siblings.findIndex((sibling) => sibling.id === id)
  return {
    version: index + 1,
    versions: siblings.length,
    previous: siblings[index - 1]?.id ?? null,
    next: siblings[index + 1]?.id ?? null,
  }
}

function Empty({ turn, state, asks }: { turn: string | null; state: ConnectionState; asks: boolean }) {
  if (state === 'connecting') return <p class="jdc-empty jdc-shimmer">{words.connecting}</p>
  if (turn !== null || !asks || state === 'gone') return <p class="jdc-empty">{words.nothingYet}</p>
  return (
    <div class="jdc-empty">
      <b>{words.emptyTitle}</b>
      <span>{words.emptyText}</span>
    </div>
  )
}
