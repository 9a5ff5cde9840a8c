/**
 * A chat as a person sees it. It only draws: everything it shows is in its properties, everything it does is an action.
 */

import type { VNode } from 'preact'
import { useEffect, useRef, useState } from 'preact/hooks'
import type { Transcript, Turn, UIMessage } from '../transcript'
import { Composer, StopButton } from './Composer'
import { onPress } from './dress'
import { Message, OutgoingMessage } from './Message'
import { Scroller } from './Scroller'
import { leftOut, messagesOf } from './static'
import type { ChatViewProps, ConnectionState } from './types'

export function ChatView(props: ChatViewProps): VNode {
  const { transcript, turn, state, notice, actions } = props
  const [sent, setSent] = useState(0)
  const running = runningTurn(transcript, turn)
  const whole = turn === null

  const onKeyDown = (event: KeyboardEvent) => {
    if (event.key !== 'Escape' || !running || !actions || event.isComposing) return
    event.preventDefault()
    actions.stop()
  }
  const send = (text: string) => {
    actions?.send(text)
    setSent(sent + 1)
  }
  return (
    <section
      class={whole ? 'jdc-chat' : 'jdc-chat jdc-one-turn'}
      aria-label="Chat"
      onClick={(event) => event.target instanceof Element && onPress(event.target)}
      onKeyDown={onKeyDown}
    >
      {whole && <Head {...props} />}
      <Scroller follow={whole || running !== null} jump={sent} label={nameOf(transcript)} busy={running !== null}>
        <Messages {...props} />
      </Scroller>
      <Notice state={state} notice={notice} reconnect={actions?.reconnect} />
      {whole && actions && state !== 'gone' && (
        <Composer
          turn={running}
          placeholder={transcript?.messages.length ? 'Ask a follow-up' : 'Ask a question'}
          send={send}
          stop={() => actions.stop()}
        />
      )}
      {!whole && <Foot {...props} running={running} />}
      <Announcement transcript={transcript} turn={turn} />
    </section>
  )
}

/** The running turn, if it is one that is shown. */
function runningTurn(transcript: Transcript | null, shown: string | null): Turn | null {
  const turn = transcript?.turn ?? null
  return shown === null || turn?.id === shown ? turn : null
}

function nameOf(transcript: Transcript | null): string {
  return transcript?.title || transcript?.name || 'Chat'
}

const STATES: Record<ConnectionState, string> = {
  connecting: 'connecting…',
  live: 'live',
  idle: 'ready',
  offline: 'offline',
  gone: 'gone',
  static: 'saved copy',
}

function Head({ transcript, state, gaps }: ChatViewProps) {
  return (
    <header class="jdc-head">
      <span class="jdc-title">{nameOf(transcript)}</span>
      {transcript && <code class="jdc-id">{transcript.id}</code>}
      <State state={state} gaps={gaps} />
    </header>
  )
}

/** Below a single turn, while there is something to say or to stop. */
function Foot({ state, gaps, actions, running }: ChatViewProps & { running: Turn | null }) {
  if (!running && ['live', 'idle', 'static'].includes(state)) return null
  return (
    <footer class="jdc-foot">
      {running && actions && <StopButton turn={running} stop={() => actions.stop()} />}
      <State state={state} gaps={gaps} />
    </footer>
  )
}

function State({ state, gaps }: { state: ConnectionState; gaps: number }) {
  const missed = gaps > 0 ? `${gaps} times events were missed and fetched again` : ''
  return (
    <span class="jdc-state" data-state={state} title={missed}>
      {STATES[state]}
    </span>
  )
}

function Messages({ transcript, turn, state, outbox, actions }: ChatViewProps) {
  const messages = transcript ? messagesOf(transcript, turn) : []
  const outgoing = turn === null ? outbox : []
  const omitted = transcript ? leftOut(transcript, turn) : ''
  if (messages.length === 0 && outgoing.length === 0) return <Empty turn={turn} state={state} asks={actions !== null} />
  return (
    <>
      {omitted && <p class="jdc-aside">{omitted}</p>}
      {messages.map((message) => (
        <Message
          key={message.id}
          message={message}
          running={transcript?.turn?.message_id === message.id && state !== 'static' && state !== 'gone'}
          live={state === 'live'}
        />
      ))}
      {actions &&
        outgoing.map((item) => (
          <OutgoingMessage
            key={item.clientId}
            item={item}
            resend={(clientId) => actions.resend(clientId)}
            discard={(clientId) => actions.discard(clientId)}
          />
        ))}
    </>
  )
}

function Empty({ turn, state, asks }: { turn: string | null; state: ConnectionState; asks: boolean }) {
  if (state === 'connecting') return <p class="jdc-empty jdc-shimmer">Connecting…</p>
  if (turn !== null || !asks || state === 'gone') return <p class="jdc-empty">Nothing here yet</p>
  return (
    <div class="jdc-empty">
      <b>What would you like to know?</b>
      <span>The answer keeps coming while the kernel restarts, the page reloads, or you are away.</span>
    </div>
  )
}

const NOTICES: Partial<Record<ConnectionState, string>> = {
  offline: 'No connection to the server. An answer that is on its way goes on there.',
  gone: 'The server does not have this conversation any longer. This is what was saved.',
  static: 'A saved copy: there is no server to ask from here.',
}

interface NoticeProps {
  state: ConnectionState
  notice: string | null
  reconnect: (() => void) | undefined
}

function Notice({ state, notice, reconnect }: NoticeProps) {
  const text = notice ?? NOTICES[state]
  if (!text) return null
  return (
    <div class="jdc-notice" data-state={state} role="status">
      <span>{text}</span>
      {state === 'offline' && reconnect && (
        <button type="button" class="jdc-link" onClick={() => reconnect()}>
          Reconnect
        </button>
      )}
    </div>
  )
}

/** What a screen reader says: that an answer began and how it ended, never its tokens. */
function Announcement({ transcript, turn }: { transcript: Transcript | null; turn: string | null }) {
  const running = runningTurn(transcript, turn) !== null
  const wasRunning = useRef(false)
  const [text, setText] = useState('')
  useEffect(() => {
    if (running) setText('Answering')
    else if (wasRunning.current) setText(ending(transcript ? messagesOf(transcript, turn).at(-1) : undefined))
    wasRunning.current = running
  }, [running])
  return (
    <div class="jdc-announcement" role="status">
      {text}
    </div>
  )
}

function ending(message: UIMessage | undefined): string {
  const { outcome, error } = message?.metadata ?? {}
  return outcome === 'completed' ? 'Answer complete' : `Answer ${outcome ?? 'over'}${error ? `: ${error.text}` : ''}`
}
