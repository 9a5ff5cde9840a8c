/**
 * The pure fold of events into what a person sees: the mirror of `jupyter_durable_chat/transcript.py`, held to it by
 * `tests/vectors/`.
 *
 * `fold(all) == fold(restored at any LSN, the rest)`. A transcript is never changed: `fold` gives a new one that shares
 * every message and part which the events did not touch, so that a view can compare by identity. A batch costs the
 * number of its events plus the number of messages, never the length of the texts.
 */

import type { Author, Chunk, Envelope, Event, Outcome, TurnError, Usage, WireEvent } from './events'

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

export interface Metadata {
  at?: string
  /** The event that this message came with. */
  lsn?: number
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
  messages: UIMessage[]
  turn: Turn | null
  queue: unknown[]
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
    turn: null,
    queue: [],
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
  return draft.transcript
}

const TOOL_ENDS = new Set(['output-available', 'output-error', 'output-denied'])

type EventOf<T extends Event['type']> = Extract<Event, { type: T }>

/** A transcript being moved on: each object is copied before its first change and owned from then on. */
class Draft {
  transcript: Transcript
  readonly #owned = new Set<object>()

  constructor(transcript: Transcript) {
    this.transcript = transcript
  }

  apply(wire: WireEvent): void {
    if (wire.lsn <= this.transcript.lsn) return
    if (!this.#owned.has(this.transcript)) {
      this.transcript = this.#own({ ...this.transcript })
    }
    this.transcript.lsn = wire.lsn
    this.transcript.updated_at = wire.at
    const event = wire as Event
    switch (event.type) {
      case 'session-created':
        return this.#created(event)
      case 'session-updated':
        return this.#updated(event)
      case 'user-message':
        return this.#asked(event)
      case 'turn-started':
        return this.#started(event)
    }
    if (!this.transcript.turn || event.turn !== this.transcript.turn.id) return
    switch (event.type) {
      case 'stop-requested':
        this.transcript.turn = { ...this.transcript.turn, stopping: true }
        return
      case 'turn-stopped':
        return this.#stopped(event)
      default:
        return this.#chunk(event)
    }
  }

  // Session facts

  #created(event: EventOf<'session-created'>): void {
    Object.assign(this.transcript, {
      id: event.session,
      name: event.name ?? '',
      notebook: event.notebook ?? null,
      title: event.title ?? null,
      agent: event.agent ?? null,
      model: event.model ?? null,
      created_at: event.at,
    })
  }

  #updated(event: EventOf<'session-updated'>): void {
    if (event.title !== undefined) this.transcript.title = event.title
    if (event.agent !== undefined) this.transcript.agent = event.agent
    if (event.model !== undefined) this.transcript.model = event.model
    if (event.muted !== undefined) this.transcript.muted = event.muted
  }

  #asked(event: EventOf<'user-message'>): void {
    const metadata: Metadata = { at: event.at, lsn: event.lsn, client_id: event.client_id, turn: null }
    for (const name of ['agent', 'model', 'tools', 'author'] as const) {
      if (event[name] != null) Object.assign(metadata, { [name]: event[name] })
    }
    const parts: Part[] = [{ type: 'text', text: event.text, state: 'done' }, ...((event.parts ?? []) as Part[])]
    this.#messages().push({ id: event.message_id, role: 'user', parts, metadata })
  }

  #started(event: EventOf<'turn-started'>): void {
    const turn = event.turn ?? ''
    this.#changeMessage(event.user_message_id, (asked) => {
      asked.metadata = { ...asked.metadata, turn }
    })
    const metadata: Metadata = { at: event.at, lsn: event.lsn, turn, agent: event.agent }
    if (event.model != null) metadata.model = event.model
    this.#messages().push({ id: event.message_id, role: 'assistant', parts: [], metadata })
    this.transcript.turn = {
      id: turn,
      user_message_id: event.user_message_id,
      message_id: event.message_id,
      agent: event.agent,
      model: event.model ?? null,
      started_at: event.at,
      stopping: false,
    }
    this.transcript.status = 'streaming'
  }

  #stopped(event: EventOf<'turn-stopped'>): void {
    this.#changeAnswer((answer) => {
      answer.parts = answer.parts.map((part) => ended(part, event.outcome))
      answer.metadata = { ...answer.metadata, outcome: event.outcome, finished_at: event.at }
      if (event.error != null) answer.metadata.error = event.error
      if (event.usage != null) answer.metadata.usage = event.usage
    })
    if (event.usage != null) this.transcript.usage = sum(this.transcript.usage, event.usage)
    this.transcript.turn = null
    this.transcript.status = event.outcome === 'failed' ? 'failed' : 'idle'
  }

  // Assistant output

  #chunk(event: Envelope & Chunk): void {
    switch (event.type) {
      case 'start':
      case 'message-metadata':
      case 'finish':
        return this.#changeAnswer((answer) => {
          answer.metadata = { ...answer.metadata, ...event.messageMetadata }
        })
      case 'start-step':
        return this.#add({ type: 'step-start' })
      case 'text-start':
      case 'reasoning-start':
        return this.#add({
          type: kindOf(event.type),
          id: event.id,
          text: '',
          state: 'streaming',
          ...providerMetadata(event),
        })
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

  #add(part: Part): void {
    this.#changeAnswer((answer) => {
      answer.parts.push(this.#own(part))
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
    const id = this.transcript.turn?.message_id
    return this.transcript.messages.findLast((message) => message.id === id)
  }

  #changeAnswer(change: (answer: UIMessage) => void): void {
    this.#changeMessage(this.transcript.turn?.message_id ?? '', change)
  }

  #changeMessage(id: string, change: (message: UIMessage) => void): void {
    const index = this.transcript.messages.findLastIndex((message) => message.id === id)
    let message = this.transcript.messages[index]
    if (!message) return
    if (!this.#owned.has(message)) {
      message = this.#own({ ...message, parts: [...message.parts] })
      this.#messages()[index] = message
    }
    change(message)
  }

  #messages(): UIMessage[] {
    if (!this.#owned.has(this.transcript.messages)) {
      this.transcript.messages = this.#own([...this.transcript.messages])
    }
    return this.transcript.messages
  }

  #own<T extends object>(value: T): T {
    this.#owned.add(value)
    return value
  }
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
  if (event.title !== undefined) part.title = event.title
  if (event.providerExecuted !== undefined) part.providerExecuted = event.providerExecuted
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
