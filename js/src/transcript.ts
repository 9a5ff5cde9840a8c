/**
 * The pure fold of events into what a person sees: the mirror of `jupyter_durable_chat/transcript.py`, held to it by
 * `tests/vectors/`.
 *
 * `fold(all) == fold(restored at any LSN, the rest)`. A transcript is never changed: `fold` gives a new one that shares
 * every message and part which the events did not touch, so that a view can compare by identity. A batch costs the
 * number of its events plus the number of messages, never the length of the texts.
 */

import type { Author, Chunk, Envelope, Event, Outcome, Said, TurnError, Usage, WireEvent } from './events'

export interface TextPart {
  type: 'text' | 'reasoning'
  /** The stream's name for the part, for as long as it is open. */
  id?: string
  text: string
  state?: 'streaming' | 'done'
  providerMetadata?: Record<string, unknown>
}

export interface StepStartPart {
  type: 'step-start'
}

export interface ToolPart {
  type: 'dynamic-tool'
  toolName: string
  toolCallId: string
  state:
    | 'input-streaming'
    | 'input-available'
    | 'approval-requested'
    | 'output-available'
    | 'output-error'
    | 'output-denied'
  input?: unknown
  rawInput?: unknown
  output?: unknown
  errorText?: string
  title?: string
  providerExecuted?: boolean
  preliminary?: boolean
  approval?: { id: string; approved?: boolean; reason?: string }
}

export interface SourceUrlPart {
  type: 'source-url'
  sourceId: string
  url: string
  title?: string
}

export interface SourceDocumentPart {
  type: 'source-document'
  sourceId: string
  mediaType: string
  title: string
  filename?: string
}

export interface FilePart {
  type: 'file'
  mediaType: string
  url: string
  filename?: string
}

export interface DataPart {
  type: `data-${string}`
  id?: string
  data: unknown
}

export type Part = TextPart | StepStartPart | ToolPart | SourceUrlPart | SourceDocumentPart | FilePart | DataPart

/** One of the turns that an answer was made in before it was gone on with. */
export interface Continued {
  turn?: string
  lsn?: number
  outcome?: Outcome
  client_id?: string
}

export interface Metadata {
  at?: string
  /** The event that this message came with. */
  lsn?: number
  /** The message that it follows or answers; `null`: none, it is a first one. */
  parent?: string | null
  turn?: string | null
  client_id?: string
  agent?: string | null
  model?: string | null
  tools?: string[] | null
  author?: Author | null
  outcome?: Outcome
  error?: TurnError
  usage?: Usage
  finished_at?: string
  finished_lsn?: number
  /** The turns before `turn`, and the event that `turn` went on with. */
  continued?: Continued[]
  continued_lsn?: number
  /** The event with which it was queued. */
  queued?: number
  /** What it was sent as, when it was edited while it waited. */
  sent?: Part[]
  [more: string]: unknown
}

export interface UIMessage {
  id: string
  role: 'user' | 'assistant'
  parts: Part[]
  metadata: Metadata
}

export interface Turn {
  id: string
  user_message_id: string
  message_id: string
  agent: string
  model: string | null
  started_at: string
  stopping: boolean
  /** The answer was there already, and its next text goes on in its last one. */
  continues: boolean
}

export interface Transcript {
  id: string
  lsn: number
  title: string | null
  name: string
  notebook: string | null
  agent: string | null
  model: string | null
  muted: boolean
  status: 'idle' | 'streaming' | 'failed'
  /** The chosen branch, oldest first. */
  messages: UIMessage[]
  /** What is on other branches only, in the order in which it came. */
  others: UIMessage[]
  turn: Turn | null
  /** What waits for its turn, first one first. */
  queue: UIMessage[]
  /** Why the queue does not go on by itself: `stopped`, or words for a person. */
  held: string | null
  /** What was removed from the queue: its client ids stay used. */
  removed: UIMessage[]
  approvals: unknown[]
  usage: Usage
  created_at: string
  updated_at: string
  /** In a saved snapshot only: how many of the oldest messages were left out to keep the file small. */
  omitted?: number
}

export function emptyTranscript(): Transcript {
  return {
    id: '',
    lsn: 0,
    title: null,
    name: '',
    notebook: null,
    agent: null,
    model: null,
    muted: false,
    status: 'idle',
    messages: [],
    others: [],
    turn: null,
    queue: [],
    held: null,
    removed: [],
    approvals: [],
    usage: {},
    created_at: '',
    updated_at: '',
  }
}

/** The transcript after these events. What is already folded is dropped; what is not known only moves the LSN. */
export function fold(transcript: Transcript, events: Iterable<WireEvent>): Transcript {
  const draft = new Draft(transcript)
  for (const event of events) draft.apply(event)
  return draft.finish()
}

/** The versions of a message, oldest first, itself among them: those that follow the same message in the same role. */
export function versions({ messages, others }: Transcript, message: UIMessage): UIMessage[] {
  const isVersion = ({ role, metadata }: UIMessage) =>
    role === message.role && metadata.parent === message.metadata.parent
  const elsewhere = others.filter(isVersion)
  // A branch has one of them.
  if (elsewhere.length === 0) return [message]
  return inOrder([...messages.filter(isVersion), ...elsewhere])
}

/** Whether the answer has ended and may be gone on with. */
export function canContinue({ role, metadata: { outcome } }: UIMessage): boolean {
  return role === 'assistant' && outcome !== undefined && outcome !== 'completed'
}

/** Whether the message was said or answered in this turn. */
export function isOfTurn({ metadata }: UIMessage, turn: string): boolean {
  return metadata.turn === turn || (metadata.continued ?? []).some((before) => before.turn === turn)
}

/** In the order in which they came. */
function inOrder(messages: UIMessage[]): UIMessage[] {
  return messages.sort((one, other) => (one.metadata.lsn ?? 0) - (other.metadata.lsn ?? 0))
}

/** What an agent cannot say of its message. */
const OURS = new Set([
  ...['at', 'lsn', 'parent', 'turn', 'agent', 'model', 'client_id', 'outcome', 'error', 'usage'],
  ...['finished_at', 'finished_lsn', 'continued', 'continued_lsn'],
])

const TOOL_ENDS = new Set(['output-available', 'output-error', 'output-denied'])

type EventOf<T extends Event['type']> = Extract<Event, { type: T }>

/**
 * A transcript being moved on: each object is copied before its first change and owned from then on. Messages are looked
 * up by id while events come, and laid out as branches once at the end.
 */
class Draft {
  readonly #before: Transcript
  #transcript: Transcript
  readonly #owned = new Set<object>()
  /** Every message of every branch in the order in which they came, from the first event on that asks for one. */
  #messages: Map<string, UIMessage> | null = null
  /** The last message of the chosen branch. */
  #leaf: string | null

  constructor(transcript: Transcript) {
    this.#before = transcript
    this.#transcript = transcript
    this.#leaf = transcript.messages.at(-1)?.id ?? null
  }

  apply(wire: WireEvent): void {
    if (wire.lsn <= this.#transcript.lsn) return
    if (this.#transcript === this.#before) this.#transcript = { ...this.#before }
    this.#transcript.lsn = wire.lsn
    this.#transcript.updated_at = wire.at
    const event = wire as Event
    switch (event.type) {
      case 'session-created':
        return this.#created(event)
      case 'session-updated':
        return this.#updated(event)
      case 'user-message':
        return this.#asked(event)
      case 'branch-selected':
        if (this.#all().has(event.message_id)) this.#leaf = event.message_id
        return
      case 'message-queued':
        this.#transcript.queue = [...this.#transcript.queue, said(event, { turn: event.turn ?? null, queued: event.lsn })]
        return
      case 'message-dequeued':
        return this.#dequeued(event)
      case 'queue-edited':
        return this.#edited(event)
      case 'queue-reordered':
        return this.#reordered(event)
      case 'queue-held':
        if (this.#transcript.queue.length > 0) this.#transcript.held = event.reason
        return
      case 'queue-resumed':
        this.#transcript.held = null
        return
      case 'turn-started':
        return this.#started(event)
    }
    if (!this.#transcript.turn || event.turn !== this.#transcript.turn.id) return
    switch (event.type) {
      case 'stop-requested':
        this.#transcript.turn = { ...this.#transcript.turn, stopping: true }
        return
      case 'turn-stopped':
        return this.#stopped(event)
      default:
        return this.#chunk(event)
    }
  }

  /** The transcript after what was applied. */
  finish(): Transcript {
    const { messages, others } = this.#before
    const all = this.#messages
    if (all) {
      const shown = branch(all, this.#leaf)
      const isShown = new Set(shown)
      this.#transcript.messages = unlessSame(messages, shown)
      this.#transcript.others = unlessSame(others, [...all.values()].filter((message) => !isShown.has(message)))
    }
    return this.#transcript
  }

  // Session facts

  #created(event: EventOf<'session-created'>): void {
    Object.assign(this.#transcript, {
      id: event.session,
      name: event.name ?? '',
      notebook: event.notebook ?? null,
      title: event.title ?? null,
      agent: event.agent ?? null,
      model: event.model ?? null,
      created_at: event.at,
      // A fork begins with what another session amounts to; what waits there waits there.
      queue: [],
      held: null,
      removed: [],
    })
  }

  #updated(event: EventOf<'session-updated'>): void {
    if (event.title !== undefined) this.#transcript.title = event.title
    if (event.agent !== undefined) this.#transcript.agent = event.agent
    if (event.model !== undefined) this.#transcript.model = event.model
    if (event.muted !== undefined) this.#transcript.muted = event.muted
  }

  #asked(event: Envelope & EventOf<'user-message'>): void {
    const { parent } = event
    if (this.#all().has(event.message_id)) return
    const isKnown = parent === null || (parent !== undefined && this.#all().has(parent))
    this.#say(said(event, { parent: isKnown ? parent : this.#leaf, turn: null }))
  }

  #dequeued({ message_id, reason }: EventOf<'message-dequeued'>): void {
    const { queue, removed } = this.#transcript
    if (reason === 'removed') {
      this.#transcript.removed = [...removed, ...queue.filter(({ id }) => id === message_id)]
    }
    this.#transcript.queue = queue.filter(({ id }) => id !== message_id)
    if (this.#transcript.queue.length === 0) this.#transcript.held = null
  }

  #edited(event: EventOf<'queue-edited'>): void {
    this.#transcript.queue = this.#transcript.queue.map((message) => {
      if (message.id !== event.message_id) return message
      const { metadata, parts } = message
      return { ...message, parts: partsOf(event), metadata: { ...metadata, sent: metadata.sent ?? parts } }
    })
  }

  #reordered({ message_ids }: EventOf<'queue-reordered'>): void {
    const places = new Map(message_ids.map((id, place) => [id, place]))
    const place = ({ id }: UIMessage) => places.get(id) ?? places.size
    this.#transcript.queue = this.#transcript.queue.toSorted((one, other) => place(one) - place(other))
  }

  #started(event: Envelope & EventOf<'turn-started'>): void {
    const { at, lsn, agent, user_message_id, message_id } = event
    const turn = event.turn as string
    const asked = this.#all().get(user_message_id)
    if (asked && asked.metadata.turn == null) {
      this.#change(user_message_id, (message) => {
        message.metadata = { ...message.metadata, turn }
      })
    }
    const metadata: Metadata = { at, lsn, parent: asked ? user_message_id : this.#leaf, turn, agent }
    if (event.model != null) metadata.model = event.model
    if (event.client_id != null) metadata.client_id = event.client_id
    const continues = this.#all().has(message_id)
    if (continues) {
      this.#change(message_id, (answer) => {
        answer.metadata = { ...metadata, ...kept(answer), continued_lsn: lsn }
      })
      this.#leaf = message_id
    } else {
      this.#say({ id: message_id, role: 'assistant', parts: [], metadata })
    }
    const model = event.model ?? null
    const stopping = false
    this.#transcript.turn = { id: turn, user_message_id, message_id, agent, model, started_at: at, stopping, continues }
    this.#transcript.status = 'streaming'
  }

  #stopped(event: Envelope & EventOf<'turn-stopped'>): void {
    const { outcome, at, lsn, error, usage } = event
    this.#changeAnswer((answer) => {
      answer.parts = answer.parts.map((part) => ended(part, outcome))
      answer.metadata = { ...answer.metadata, outcome, finished_at: at, finished_lsn: lsn }
      if (error != null) answer.metadata.error = error
      if (usage != null) answer.metadata.usage = sum(answer.metadata.usage ?? {}, usage)
    })
    if (usage != null) this.#transcript.usage = sum(this.#transcript.usage, usage)
    this.#transcript.turn = null
    if (outcome === 'stopped' && this.#transcript.queue.length > 0) this.#transcript.held = 'stopped'
    this.#transcript.status = outcome === 'failed' ? 'failed' : 'idle'
  }

  // Assistant output

  #chunk(event: Envelope & Chunk): void {
    switch (event.type) {
      case 'start':
      case 'message-metadata':
      case 'finish':
        return this.#changeAnswer((answer) => {
          const said = Object.entries(event.messageMetadata ?? {}).filter(([name]) => !OURS.has(name))
          answer.metadata = { ...answer.metadata, ...Object.fromEntries(said) }
        })
      case 'start-step':
        return this.#add({ type: 'step-start' })
      case 'text-start':
      case 'reasoning-start':
        return this.#open(event)
      case 'text-delta':
      case 'reasoning-delta':
        return this.#changeOpen(event, (part) => ({
          ...part,
          text: part.text + event.delta,
          ...providerMetadata(event),
        }))
      case 'text-end':
      case 'reasoning-end':
        return this.#changeOpen(event, (part) => ({ ...closed(part), ...providerMetadata(event) }))
      case 'tool-input-start':
        return this.#add({ ...toolPart(event), state: 'input-streaming', rawInput: '' })
      case 'tool-input-delta':
        return this.#changeTool(event.toolCallId, (part) =>
          part.state === 'input-streaming'
            ? { ...part, rawInput: String(part.rawInput ?? '') + event.inputTextDelta }
            : part,
        )
      case 'tool-input-available':
        return this.#changeTool(
          event.toolCallId,
          ({ rawInput: _, ...part }) => ({ ...part, state: 'input-available', input: event.input }),
          toolPart(event),
        )
      case 'tool-input-error':
        return this.#changeTool(
          event.toolCallId,
          (part) => ({ ...part, state: 'output-error', rawInput: event.input, errorText: event.errorText }),
          toolPart(event),
        )
      case 'tool-approval-request':
        return this.#changeTool(event.toolCallId, (part) => ({
          ...part,
          state: 'approval-requested',
          approval: { id: event.approvalId },
        }))
      case 'tool-output-available':
        return this.#changeTool(event.toolCallId, ({ preliminary: _, ...part }) => ({
          ...part,
          state: 'output-available',
          output: event.output,
          ...(event.preliminary ? { preliminary: true } : {}),
        }))
      case 'tool-output-error':
        return this.#changeTool(event.toolCallId, (part) => ({
          ...part,
          state: 'output-error',
          errorText: event.errorText,
        }))
      case 'tool-output-denied':
        return this.#changeTool(event.toolCallId, (part) => ({ ...part, state: 'output-denied' }))
      case 'source-url':
      case 'source-document':
      case 'file': {
        const { lsn: _lsn, at: _at, turn: _turn, ...part } = event
        return this.#add(part)
      }
      default:
        if (isData(event)) this.#data(event)
    }
  }

  /** A `data-*` part replaces the one with its type and id; a transient one is for live readers only. */
  #data(event: EventOf<`data-${string}`>): void {
    if (event.transient) return
    const { type, data, id } = event
    const same = (part: Part) => part.type === type && 'id' in part && part.id === id
    if (id === undefined) return this.#add({ type, data })
    const found = this.#changePart(same, (part) => ({ ...part, data }) as Part)
    if (!found) this.#add({ type, data, id })
  }

  #open(event: EventOf<'text-start' | 'reasoning-start'>): void {
    const type = kindOf(event.type)
    const opened = { id: event.id, state: 'streaming', ...providerMetadata(event) } as const
    const goesOn =
      type === 'text' &&
      this.#continues() &&
      this.#changePart(
        (part) => part.type === 'text',
        (part) => ({ ...part, ...opened }) as Part,
      )
    if (!goesOn) this.#add({ type, text: '', ...opened })
  }

  /** The first text of a continuation goes on in the last text that there is, even inside a word. */
  #continues(): boolean {
    const { turn } = this.#transcript
    if (!turn?.continues) return false
    this.#transcript.turn = { ...turn, continues: false }
    return true
  }

  #add(part: Part): void {
    this.#changeAnswer((answer) => {
      answer.parts.push(part)
    })
  }

  #changeOpen(event: { type: Event['type']; id: string }, change: (part: TextPart) => TextPart): void {
    const kind = kindOf(event.type)
    this.#changePart(
      (part) => part.type === kind && (part as TextPart).id === event.id,
      (part) => change(part as TextPart),
    )
  }

  /** Change the call that has no result yet (a result is final); with `fresh`, make the call when there is none. */
  #changeTool(callId: string, change: (part: ToolPart) => ToolPart, fresh?: ToolPart): void {
    const isCall = (part: Part) => part.type === 'dynamic-tool' && part.toolCallId === callId
    const answer = this.#answer()
    const last = answer?.parts.findLast(isCall) as ToolPart | undefined
    if (last && (!TOOL_ENDS.has(last.state) || last.preliminary)) {
      this.#changePart(isCall, (part) => change(part as ToolPart))
    } else if (fresh) {
      this.#add(change(fresh))
    }
  }

  /** Replace the last part of the answer that matches; says whether there was one. */
  #changePart(matches: (part: Part) => boolean, change: (part: Part) => Part): boolean {
    const index = this.#answer()?.parts.findLastIndex(matches) ?? -1
    if (index < 0) return false
    this.#changeAnswer((answer) => {
      answer.parts[index] = change(answer.parts[index] as Part)
    })
    return true
  }

  #answer(): UIMessage | undefined {
    return this.#all().get(this.#transcript.turn?.message_id ?? '')
  }

  #changeAnswer(change: (answer: UIMessage) => void): void {
    this.#change(this.#transcript.turn?.message_id ?? '', change)
  }

  #change(id: string, change: (message: UIMessage) => void): void {
    let message = this.#all().get(id)
    if (!message) return
    if (!this.#owned.has(message)) {
      message = { ...message, parts: [...message.parts] }
      this.#owned.add(message)
      this.#all().set(id, message)
    }
    change(message)
  }

  /** A new message is the leaf. */
  #say(message: UIMessage): void {
    this.#owned.add(message)
    this.#all().set(message.id, message)
    this.#leaf = message.id
  }

  #all(): Map<string, UIMessage> {
    if (!this.#messages) {
      const { messages, others } = this.#before
      const all = others.length > 0 ? inOrder([...messages, ...others]) : messages
      this.#messages = new Map(all.map((message) => [message.id, message]))
    }
    return this.#messages
  }
}

/** The messages from the first one to the leaf. */
function branch(all: Map<string, UIMessage>, leaf: string | null): UIMessage[] {
  const shown: UIMessage[] = []
  let message = all.get(leaf ?? '')
  while (message) {
    shown.push(message)
    message = all.get(message.metadata.parent ?? '')
  }
  return shown.reverse()
}

function unlessSame<T>(before: T[], after: T[]): T[] {
  const isSame = before.length === after.length && before.every((value, index) => value === after[index])
  return isSame ? before : after
}

interface OfTheQueue {
  queued?: number | null
  sent?: unknown[] | null
  resolved_agent?: string | null
  resolved_model?: string | null
}

/** A person's message. */
function said(event: Envelope & Said & OfTheQueue, more: Metadata): UIMessage {
  const metadata: Metadata = { at: event.at, lsn: event.lsn, ...more, client_id: event.client_id }
  for (const name of ['agent', 'model', 'tools', 'author', 'queued', 'sent', 'resolved_agent', 'resolved_model'] as const) {
    if (event[name] != null) Object.assign(metadata, { [name]: event[name] })
  }
  return { id: event.message_id, role: 'user', parts: partsOf(event), metadata }
}

function partsOf({ text, parts }: { text: string; parts?: unknown[] }): Part[] {
  return [{ type: 'text', text, state: 'done' }, ...((parts ?? []) as Part[])]
}

/** What an answer that is gone on with keeps of its metadata, and the turns that it was made in. */
function kept({ metadata }: UIMessage): Metadata {
  const { at, lsn, parent, usage, turn, client_id, outcome, continued, continued_lsn } = metadata
  const last = present({ turn, lsn: continued_lsn ?? lsn, outcome, client_id }) as Continued
  return { ...present({ at, lsn, parent, usage }), continued: [...(continued ?? []), last] }
}

/** The fields that there are. */
function present(fields: Record<string, unknown>): Record<string, unknown> {
  return Object.fromEntries(Object.entries(fields).filter(([, value]) => value !== undefined))
}

function isData(event: Event): event is Envelope & EventOf<`data-${string}`> {
  return event.type.startsWith('data-')
}

function kindOf(type: string): 'text' | 'reasoning' {
  return type.startsWith('text') ? 'text' : 'reasoning'
}

/** Providers want back what they said of a part (signatures, ids): the newest word on it stays. */
function providerMetadata(event: { providerMetadata?: Record<string, unknown> }) {
  const said = event.providerMetadata
  return said && Object.keys(said).length ? { providerMetadata: said } : {}
}

function toolPart(event: EventOf<'tool-input-start' | 'tool-input-available' | 'tool-input-error'>): ToolPart {
  const part: ToolPart = {
    type: 'dynamic-tool',
    toolName: event.toolName,
    toolCallId: event.toolCallId,
    state: 'input-available',
  }
  if (event.title != null) part.title = event.title
  if (event.providerExecuted != null) part.providerExecuted = event.providerExecuted
  return part
}

function closed({ id: _, ...part }: TextPart): TextPart {
  return { ...part, state: 'done' }
}

/** A part of an answer that has ended: nothing stays open. A part that was complete stays the object that it was. */
function ended(part: Part, outcome: Outcome): Part {
  if (part.type === 'text' || part.type === 'reasoning') return part.state === 'done' ? part : closed(part)
  if (part.type === 'dynamic-tool' && !TOOL_ENDS.has(part.state)) {
    return { ...part, state: 'output-error', errorText: outcome }
  }
  return part
}

function sum(total: Usage, more: Usage): Usage {
  const result = { ...total }
  for (const [kind, tokens] of Object.entries(more)) {
    if (tokens) result[kind] = (result[kind] ?? 0) + tokens
  }
  return result
}
