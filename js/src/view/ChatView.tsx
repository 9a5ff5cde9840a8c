/**
 * A chat as a person sees it. It only draws: everything it shows is in its properties, everything it does is an action.
 */

import type { ComponentChildren, VNode } from 'preact'
import { useCallback, useEffect, useMemo, useRef, useState } from 'preact/hooks'
import { isOfTurn, type Part, type ToolPart, type Transcript, type Turn } from '../transcript'
import { words } from '../words'
import { number } from '../words/numbers'
import { Announcement } from './Announcement'
import type { Returned } from './Composer'
import { Desk, Shelf } from './desk'
import { onPress, onReach } from './dress'
import { Now } from './Elapsed'
import { useFolds } from './folds'
import type { MessageActions, Step } from './Message'
import { Messages } from './Messages'
import type { Moves } from './moves'
import type { Nearby } from './nearby'
import { PartView } from './Parts'
import { Position } from './position'
import { Icon } from './Icon'
import { IconButton } from './IconButton'
import { isComposing } from './keys'
import { Composer, controls, Downloads, Here, Outline, Queue, Sharing, Shortcuts } from './late'
import { offer } from './offer'
import { signsIn } from './people'
import { Scroller } from './Scroller'
import { messagesOf } from './shown'
import { StopButton } from './StopButton'
import type { ChatViewProps, Choice, ConnectionState, Reads } from './types'
import { waitingCalls, waitingWords, waits } from './waits'

export function ChatView(props: ChatViewProps): VNode {
  return (
    <Now.Provider value={props.now}>
      <Shelf.Provider value={readsIn(props)}>
        <Chat {...props} />
      </Shelf.Provider>
    </Now.Provider>
  )
}

function readsIn({ state, reads, actions }: ChatViewProps): Reads | null {
  return state === 'gone' || state === 'static' ? null : (reads ?? actions)
}

function Chat(props: ChatViewProps): VNode {
  const { transcript, turn, state, outbox } = props
  const [jumps, setJumps] = useState(0)
  const [returned, setReturned] = useState<Returned | null>(null)
  const running = runningTurn(transcript, turn)
  const whole = turn === null
  const [position] = useState(() => new Position(whole || running !== null))
  const actions = state === 'gone' || state === 'static' ? null : props.actions
  const notice = props.reads && state === 'gone' ? words.linkOver : props.notice
  const messages = transcript ? messagesOf(transcript, turn) : []
  const removed = transcript && !whole ? transcript.removed.filter((message) => isOfTurn(message, turn)) : []
  const queue = transcript?.queue.filter((message) => whole || isOfTurn(message, turn)) ?? []
  const held = queue.length > 0 ? (transcript?.held ?? null) : null
  // What is sent now joins the queue.
  const queues = whole && (running !== null || queue.length > 0)
  const shown = new Set(messages.map(({ id }) => id))
  const edits = outbox.filter((item) => item.edits !== null && shown.has(item.edits))
  const fresh = whole ? outbox.filter((item) => !edits.includes(item)) : []

  const isSaved = state === 'static' || state === 'gone'
  const waiting = isSaved ? [] : waitingCalls(transcript, turn)
  const first = isSaved || whole || queue.length === 0 ? [] : waitingCalls(transcript, null)
  const attach = useRef((_: Iterable<File>): void => undefined)
  const [dropping, setDropping] = useState(false)

  const left = (text: string) => setReturned({ text })
  const jump = () => setJumps((jumps) => jumps + 1)
  const chat = useRef<HTMLElement>(null)
  const stepped = useRef<{ to: string; step: Step } | null>(null)
  const messageActions = useMemo<MessageActions | null>(() => {
    if (!whole || !actions) return null
    return {
      forks: actions.address() !== null,
      retry(id, choice) {
        actions.retry(id, choice)
        jump()
      },
      goOn(id) {
        actions.continueAnswer(id)
        jump()
      },
      edit(id, text) {
        actions.retry(id, { text })
        jump()
      },
      show(id, step) {
        stepped.current = { to: id, step }
        actions.selectBranch(id)
      },
      shownBy(id) {
        if (stepped.current?.to !== id) return null
        const { step } = stepped.current
        stepped.current = null
        return step
      },
      left,
      resend: (clientId) => actions.resend(clientId),
      discard: (clientId) => actions.discard(clientId),
    }
  }, [whole, actions])

  const nearby = useRef<Nearby | null>(null)
  const folds = useFolds(whole ? transcript?.id : undefined)
  const [panel, setPanel] = useState<'turns' | 'keys' | 'files' | 'sharing' | null>(null)
  const turnsButton = useRef<HTMLButtonElement>(null)
  const filesButton = useRef<HTMLButtonElement>(null)
  const sharingButton = useRef<HTMLButtonElement>(null)
  const goTo = (question: string) => {
    setPanel(null)
    nearby.current?.goTo(question)?.focus({ preventScroll: true })
  }
  const closePanel = () => {
    setPanel(null)
    ;(panel === 'files' ? filesButton : panel === 'sharing' ? sharingButton : turnsButton).current?.focus()
  }
  const moves: Moves = {
    turn(by) {
      const question = nearby.current?.turnFrom(by)
      if (question) goTo(question)
      return question != null
    },
    message(from, by) {
      const message = nearby.current?.neighbour(from, by)
      message?.focus({ preventScroll: true })
      message?.scrollIntoView({ block: 'nearest' })
    },
    edge: (by) => (by > 0 ? position.toTheEnd() : position.toTheBeginning()),
    help: () => setPanel('keys'),
  }
  const chosen = useChosen(transcript)
  const address = actions?.address() ?? null
  const asked = messages.filter(({ role }) => role === 'user')

  const onKeyDown = (event: KeyboardEvent) => {
    if (whole) controls.module?.onMoveKey(event, moves)
    if (event.key !== 'Escape' || !running || !actions || isComposing(event)) return
    event.preventDefault()
    actions.stop()
  }
  const send = useCallback(
    (text: string, parts: Part[], choice: Choice) => {
      actions?.send(text, { ...choice, ...(parts.length > 0 ? { parts } : {}) })
      if (!queues) jump()
    },
    [actions, queues],
  )
  const editLast = useCallback(() => editLastIn(chat.current), [])
  const takesFiles = (event: DragEvent) => whole && actions !== null && event.dataTransfer?.types.includes('Files')
  const onDragOver = (event: DragEvent) => {
    if (!takesFiles(event)) return
    event.preventDefault()
    setDropping(true)
  }
  const onDragLeave = ({ currentTarget, relatedTarget }: DragEvent) => {
    const isInside = relatedTarget instanceof Node && currentTarget instanceof Node && currentTarget.contains(relatedTarget)
    if (!isInside) setDropping(false)
  }
  const onDrop = (event: DragEvent) => {
    if (!takesFiles(event)) return
    event.preventDefault()
    event.stopPropagation() // the notebook takes no file from here
    setDropping(false)
    attach.current([...(event.dataTransfer?.files ?? [])])
  }
  const reach = ({ target }: Event) => target instanceof Element && onReach(target, props.notebook)
  return (
    <Desk.Provider value={actions}>
      <section
        ref={chat}
        class={whole ? 'jdc-chat' : 'jdc-chat jdc-one-turn'}
        data-dropping={dropping || undefined}
        onDragOver={onDragOver}
        onDragLeave={onDragLeave}
        onDrop={onDrop}
        role="group" // a landmark for each of thirty cells would lead nowhere
        aria-label={words.chat}
        onClick={(event) => event.target instanceof Element && onPress(event.target, props.notebook)}
        onPointerOver={reach}
        onFocusIn={reach}
        onKeyDown={onKeyDown}
      >
        {whole && (
          <Head {...props}>
            {asked.length > 1 && (
              <IconButton
                icon="plan"
                class="jdc-outline-button"
                label={words.turns}
                expanded={panel === 'turns' || panel === 'keys'}
                button={turnsButton}
                onClick={() => setPanel(panel === 'turns' || panel === 'keys' ? null : 'turns')}
              />
            )}
            {actions && asked.length > 0 && (
              <IconButton
                icon="download"
                class="jdc-download-button"
                label={words.downloadChat}
                expanded={panel === 'files'}
                button={filesButton}
                onClick={() => setPanel(panel === 'files' ? null : 'files')}
              />
            )}
            {address !== null && asked.length > 0 && (
              <IconButton
                icon="share"
                class="jdc-share-button"
                label={words.shareChat}
                expanded={panel === 'sharing'}
                button={sharingButton}
                onClick={() => setPanel(panel === 'sharing' ? null : 'sharing')}
              />
            )}
            {props.reads && <span class="jdc-read-only">{words.readOnly}</span>}
          </Head>
        )}
        {panel === 'turns' && (
          <Outline
            messages={messages}
            running={running?.user_message_id ?? null}
            goTo={goTo}
            foldAll={(folded) => folds.fold(asked.map(({ id }) => id), folded)}
            help={() => setPanel('keys')}
            close={closePanel}
          />
        )}
        {panel === 'keys' && <Shortcuts close={closePanel} />}
        {panel === 'files' && <Downloads offer={offer} close={closePanel} />}
        {panel === 'sharing' && address !== null && <Sharing address={address} shares={transcript?.shares ?? []} close={closePanel} />}
        <Scroller
          position={position}
          jump={jumps}
          label={nameOf(transcript)}
          busy={running !== null || (whole && fresh.length > 0)}
          filled={messages.length > 0}
          limited={whole}
          latest={messages.at(-1)}
        >
          <Messages
            {...props}
            position={position}
            nearby={nearby}
            folds={folds}
            messages={[...messages, ...removed]}
            edits={edits}
            fresh={queues ? [] : fresh}
            messageActions={messageActions}
            waits={queue.length > 0}
          />
          {removed.length > 0 && <p class="jdc-aside" role="none">{words.removedFromQueue}</p>}
        </Scroller>
        <Notice state={state} notice={notice} reconnect={readsIn(props)?.reconnect} />
        {whole && actions && <WaitingFor calls={waiting} />}
        <First calls={first} />
        {whole && actions && (
          <Composer
            key={actions} // another session has another draft
            turn={running}
            placeholder={transcript?.messages.length ? words.followUp : words.ask}
            wait={queues ? waitOf(held) : null}
            returned={returned}
            attach={attach}
            chosen={chosen}
            send={send}
            notebook={props.notebook}
            held={held !== null}
            editLast={editLast}
          />
        )}
        {(queue.length > 0 || (queues && fresh.length > 0)) && (
          <Queue queue={queue} outgoing={queues ? fresh : []} held={held} actions={actions} whole={whole} signs={signsIn(transcript, props.you)} left={left} />
        )}
        {!whole && <Foot {...props} actions={actions} running={running} position={position} />}
        <Announcement transcript={transcript} turn={running} waiting={waiting} />
      </section>
    </Desk.Provider>
  )
}

/** Begins to edit the message that waits last, or else the last question; whether that can be edited. */
function editLastIn(chat: HTMLElement | null): boolean {
  const buttons = (place: string) => [...(chat?.querySelectorAll<HTMLButtonElement>(`${place} button.jdc-edit`) ?? [])]
  const button = buttons('.jdc-queued').at(-1) ?? buttons('.jdc-message').at(-1)
  if (!button || button.disabled) return false
  button.click()
  return true
}

/** Who answers in this session, and how: the same object for as long as that does not change. */
function useChosen(transcript: Transcript | null) {
  const { agent = null, model = null, effort = null, mode = null, muted = false } = transcript ?? {}
  return useMemo(() => ({ agent, model, effort, mode, muted }), [agent, model, effort, mode, muted])
}

function waitOf(held: string | null): string {
  return held === null ? words.waitsItsTurn : words.waitsForResume
}

/** The running turn, if it is one that is shown. */
function runningTurn(transcript: Transcript | null, shown: string | null): Turn | null {
  const turn = transcript?.turn ?? null
  return shown === null || turn?.id === shown ? turn : null
}

function nameOf(transcript: Transcript | null): string {
  return transcript?.title || transcript?.name || words.chat
}

function Head({ transcript, state, gaps, others, children }: ChatViewProps & { children: ComponentChildren }) {
  return (
    <header class="jdc-head">
      <span class="jdc-title">{nameOf(transcript)}</span>
      {transcript && <code class="jdc-id">{transcript.id}</code>}
      {children}
      {others.length > 0 && <Here others={others} />}
      <State state={state} gaps={gaps} />
    </header>
  )
}

/** Below a single turn, while there is something to say or to stop. It does not move while somebody points at it. */
function Foot({ state, gaps, actions, running, position }: ChatViewProps & { running: Turn | null; position: Position }) {
  const isStopping = running !== null && actions !== null
  useEffect(() => (isStopping ? () => position.holdHeight(false) : undefined), [isStopping])
  if (!running && ['live', 'idle', 'static'].includes(state)) return null
  return (
    <footer
      class="jdc-foot"
      onPointerEnter={() => isStopping && position.holdHeight(true)}
      onPointerLeave={() => position.holdHeight(false)}
    >
      {running && actions && <StopButton turn={running} stop={() => actions.stop()} />}
      <State state={state} gaps={gaps} />
    </footer>
  )
}

function State({ state, gaps }: { state: ConnectionState; gaps: number }) {
  const missed = gaps > 0 ? words.missed(number(gaps)) : ''
  return (
    <span class="jdc-state" data-state={state} title={missed}>
      {words.states[state]}
    </span>
  )
}

interface NoticeProps {
  state: ConnectionState
  notice: string | null
  reconnect: (() => void) | undefined
}

function Notice({ state, notice, reconnect }: NoticeProps) {
  const notices: Partial<Record<ConnectionState, string>> = words.notices
  const text = notice ?? notices[state]
  if (!text) return null
  return (
    <div class="jdc-notice" data-state={state} role="status">
      <span>{text}</span>
      {state === 'offline' && reconnect && (
        <button type="button" class="jdc-link" onClick={() => reconnect()}>
          {words.reconnect}
        </button>
      )}
    </div>
  )
}

/** What somebody has to do before the answer goes on, and the way to it: the call may be far above. */
function WaitingFor({ calls }: { calls: ToolPart[] }) {
  const [first] = calls
  if (!first) return null
  const show = (from: Element) => {
    const cards = [...(from.closest('.jdc-chat')?.querySelectorAll<HTMLElement>('.jdc-tool') ?? [])]
    const card = cards.find(({ dataset }) => dataset['callId'] === first.toolCallId)
    card?.scrollIntoView({ block: 'nearest' })
    const place = card?.querySelector<HTMLElement>('.jdc-approve, .jdc-question input, .jdc-question textarea, .jdc-plan-approve')
    ;(place ?? card)?.focus({ preventScroll: true })
  }
  return (
    <div class="jdc-waits">
      <Icon name="pause" />
      <span>
        {waitingWords(first)}
        {calls.length > 1 && words.andMore(number(calls.length - 1))}
      </span>
      <button type="button" class="jdc-link" onClick={(event) => show(event.currentTarget)}>
        {words.show}
      </button>
    </div>
  )
}

/** What the running turn waits for, where only one that comes later is shown: there may be no other place to answer. */
function First({ calls }: { calls: ToolPart[] }) {
  const [call] = calls
  if (!call) return null
  return (
    <div class="jdc-first">
      <div class="jdc-waits" role="status">
        <Icon name="pause" />
        <span>{waits(call) === 'kernel' ? words.firstKernel : words.firstPerson}</span>
      </div>
      {calls.map((call) => (
        <PartView key={call.toolCallId} part={call} running />
      ))}
    </div>
  )
}
