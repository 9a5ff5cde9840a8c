/**
 * The pure fold of events into what a person sees: the mirror of `jupyter_durable_chat/transcript.py`, held to it by
 * `tests/vectors/`. A chunk of its own: what is read is drawn without it.
 *
 * `fold(all) == fold(restored at any LSN, the rest)`. A transcript is never changed: `fold` gives a new one that shares
 * every message and part which the events did not touch, so that a view can compare by identity. A batch costs the
 * number of its events plus the number of messages, never the length of the texts.
 */

import type { Chunk, Envelope, Event, Mode, Said, Usage, WireEvent } from './events'
import {
  type Approval,
  type Continued,
  inOrder,
  isOver,
  type Metadata,
  nested,
  type Offer,
  OVER,
  type Part,
  type TextPart,
  TOOL_ENDS,
  type ToolApproval,
  type ToolPart,
  type Transcript,
  type Turn,
  type UIMessage,
} from './transcript.ts' // Node runs it as it is, for tests

/** The transcript after these events. What is already folded is dropped; what is not known only moves the LSN. */
export function fold(transcript: Transcript, events: Iterable<WireEvent>): Transcript {
  const draft = new Draft(transcript)
  for (const event of events) draft.apply(event)
  return draft.finish()
}

/** What an agent cannot say of its message. */
const OURS = new Set([
  ...['at', 'lsn', 'parent', 'turn', 'agent', 'model', 'client_id', 'outcome', 'error', 'usage'],
  ...['stopped_by', 'finished_at', 'finished_lsn', 'continued', 'continued_lsn', 'effort', 'mode', 'tools', 'context', 'waits'],
])

/** Chunks with which a turn neither begins nor ceases to wait. */
const WITHIN_STEPS = new Set(['text-delta', 'reasoning-delta', 'tool-input-delta', 'tool-progress'])

/** Offers that are kept; the oldest ones go first: nobody tells of a kernel that died. */
const MAX_OFFERS = 16

/** Lines that are kept of what a call says; the oldest ones go first. */
const MAX_LOGS = 100

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
        this.#transcript.queue = [...this.#transcript.queue, message(event, { turn: event.turn ?? null, queued: event.lsn })]
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
      case 'tools-offered':
        return this.#offered(event)
      case 'share-created':
        return this.#shared(event)
      case 'share-revoked':
        this.#transcript.shares = this.#transcript.shares.filter(({ id }) => id !== event.share)
        return
    }
    if (!this.#transcript.turn || event.turn !== this.#transcript.turn.id) return
    switch (event.type) {
      case 'stop-requested':
        this.#stopRequested(event)
        return
      case 'approval-answered':
        this.#approvalAnswered(event)
        return this.#seeWaits(event)
      case 'turn-stopped':
        return this.#stopped(event)
      default:
        this.#chunk(event)
        if (!WITHIN_STEPS.has(event.type)) this.#seeWaits(event)
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
      const approvals = this.#transcript.turn ? approvalsOf(this.#transcript.turn, this.#answer()?.parts ?? []) : []
      if (approvals.length > 0 || this.#before.approvals.length > 0) this.#transcript.approvals = approvals
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
      // A fork begins with what another session amounts to; what waits there waits there, and its links lead there.
      queue: [],
      held: null,
      removed: [],
      offers: [],
      allowed: [],
      shares: [],
    })
  }

  #updated(event: EventOf<'session-updated'>): void {
    if (event.title !== undefined) this.#transcript.title = event.title
    if (event.notebook !== undefined) this.#transcript.notebook = event.notebook
    if (event.agent !== undefined) this.#transcript.agent = event.agent
    if (event.model !== undefined) this.#transcript.model = event.model
    if (event.effort !== undefined) this.#transcript.effort = event.effort
    if (event.mode !== undefined) this.#transcript.mode = event.mode
    if (event.budget !== undefined) this.#transcript.budget = event.budget
    if (event.muted !== undefined) this.#transcript.muted = event.muted
  }

  #asked(event: Envelope & EventOf<'user-message'>): void {
    const { parent } = event
    if (this.#all().has(event.message_id)) return
    const isKnown = parent === null || (parent !== undefined && this.#all().has(parent))
    this.#say(message(event, { parent: isKnown ? parent : this.#leaf, turn: null }))
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
    const { client_id } = event
    const { model = null, effort = null, mode = null, tools = null } = event
    const metadata: Metadata = { at, lsn, parent: asked ? user_message_id : this.#leaf, turn, agent }
    Object.assign(metadata, said({ model, effort, mode, tools, client_id }))
    const continues = this.#all().has(message_id)
    if (continues) {
      this.#change(message_id, (answer) => {
        const { finished_at } = answer.metadata
        answer.metadata = { ...metadata, ...kept(answer), continued_lsn: lsn }
        if (finished_at !== undefined) answer.metadata.waits = waited(answer, finished_at, at)
      })
      this.#leaf = message_id
    } else {
      this.#say({ id: message_id, role: 'assistant', parts: [], metadata })
    }
    const asks = { user_message_id, message_id, agent, model, effort, mode, tools }
    const first_part = continues ? (this.#all().get(message_id)?.parts.length ?? 0) : 0
    const counts = { steps: 0, usage: {}, nested_tokens: 0 }
    const begins = { started_at: at, stopping: false, continues, first_part, acting: false, ...counts, waits_since: null }
    this.#transcript.turn = { id: turn, ...asks, ...begins }
    this.#transcript.status = 'streaming'
  }

  /** One offer for each kernel: a runner of the same kernel stands in for the one before it. */
  #offered({ runner, kernel = null, tools = [] }: EventOf<'tools-offered'>): void {
    const isSame = (offer: Offer) => offer.runner === runner || (kernel !== null && offer.kernel === kernel)
    const others = this.#transcript.offers.filter((offer) => !isSame(offer))
    this.#transcript.offers = tools.length > 0 ? [...others, { runner, kernel, tools }].slice(-MAX_OFFERS) : others
  }

  #shared({ share, hash, name = '', at, expires_at = null, by = null }: EventOf<'share-created'>): void {
    const { shares } = this.#transcript
    if (shares.every(({ id }) => id !== share)) this.#transcript.shares = [...shares, { id: share, hash, name, at, expires_at, by }]
  }

  #approvalAnswered(event: EventOf<'approval-answered'>): void {
    const { approval_id, tool_call_id, approved, reason, by } = event
    this.#changeTool(tool_call_id, (part) => {
      const { approval, toolName } = part
      if (part.state !== 'approval-requested' || approval?.id !== approval_id) return part
      const { allowed } = this.#transcript
      if (approved && approval.scope === 'session' && !allowed.includes(toolName)) {
        this.#transcript.allowed = [...allowed, toolName]
      }
      return { ...part, state: 'approval-responded', approval: { ...approval, approved, ...said({ reason, by }) } }
    })
  }

  #stopRequested({ by }: EventOf<'stop-requested'>): void {
    this.#turn({ stopping: true })
    if (by == null) return
    this.#changeAnswer((answer) => {
      answer.metadata = { ...answer.metadata, stopped_by: by }
    })
  }

  #stopped(event: Envelope & EventOf<'turn-stopped'>): void {
    const { outcome, at, lsn, error, usage } = event
    this.#changeAnswer((answer) => {
      // Nobody knows when a writer died.
      answer.parts = answer.parts.map((part) => ended(part, outcome, outcome === 'interrupted' ? null : at))
    })
    this.#seeWaits(event)
    this.#changeAnswer((answer) => {
      answer.metadata = { ...answer.metadata, outcome, finished_at: at, finished_lsn: lsn }
      if (error != null) answer.metadata.error = error
      if (usage != null) answer.metadata.usage = sum(answer.metadata.usage ?? {}, usage)
    })
    if (usage != null) this.#transcript.usage = sum(this.#transcript.usage, usage)
    this.#transcript.turn = null
    if (outcome === 'stopped' && this.#transcript.queue.length > 0) this.#transcript.held = 'stopped'
    this.#transcript.status = outcome === 'failed' ? 'failed' : 'idle'
  }

  /** Notes since when nobody works on the answer, and for how long nobody did. */
  #seeWaits({ at }: Envelope): void {
    const since = this.#transcript.turn?.waits_since ?? null
    const waits = doing(this.#answer()?.parts ?? []) === 'waits'
    if (waits === (since !== null)) return
    this.#turn({ waits_since: waits ? at : null })
    if (since === null) return
    this.#changeAnswer((answer) => {
      answer.metadata = { ...answer.metadata, waits: waited(answer, since, at) }
    })
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
        if (event.parentToolCallId == null) this.#turn({ acting: false })
        return this.#addBeside(event, { type: 'step-start' })
      case 'finish-step':
        return this.#stepFinished(event)
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
        return this.#changeOpen(event, (part) => ({ ...closed(part, event.at), ...providerMetadata(event) }))
      case 'tool-input-start':
        return this.#addBeside(event, { ...toolPart(event), state: 'input-streaming', rawInput: '' })
      case 'tool-input-delta':
        return this.#changeTool(event.toolCallId, (part) =>
          part.state === 'input-streaming'
            ? { ...part, rawInput: String(part.rawInput ?? '') + event.inputTextDelta }
            : part,
        )
      case 'tool-input-available':
        return this.#changeOrMakeTool(event, ({ rawInput: _, ...part }) => ({
          ...part,
          // An update does not answer the question whether it may be run.
          state: part.state === 'approval-requested' ? part.state : 'input-available',
          input: event.input,
        }))
      case 'tool-input-error':
        return this.#changeOrMakeTool(event, ({ preliminary: _, ...part }) => ({
          ...part,
          state: 'output-error',
          rawInput: event.input,
          errorText: event.errorText,
          ...end(part, event),
        }))
      case 'tool-approval-request':
        return this.#changeTool(event.toolCallId, (part) => ({
          ...part,
          state: 'approval-requested',
          approval: { id: event.approvalId, ...said({ scope: event.scope, deadline: event.deadline }) },
        }))
      case 'tool-waiting':
        return this.#changeTool(event.toolCallId, ({ started: _, ...part }) => ({ ...part, waitsFor: event.waitsFor }))
      case 'tool-started':
        return this.#changeTool(event.toolCallId, (part) => ({
          ...part,
          ...over(part, null),
          started: { at: event.at, ...said({ runner: event.runner }) },
        }))
      case 'tool-progress':
        return this.#changeTool(event.toolCallId, (part) => ({ ...part, ...progressOf(part, event) }))
      case 'tool-suspended':
        return this.#changeTool(event.toolCallId, (part) => ({
          ...part,
          suspended: { kept: event.kept, asked: event.asked },
        }))
      case 'tool-output-available':
        return this.#changeTool(event.toolCallId, ({ preliminary: _, ...part }) =>
          event.preliminary && part.state === 'approval-requested'
            ? { ...part, output: event.output }
            : {
                ...part,
                state: 'output-available',
                output: event.output,
                ...(event.preliminary ? { preliminary: true } : end(part, event)),
              },
        )
      case 'tool-output-error':
        return this.#changeTool(event.toolCallId, ({ preliminary: _, ...part }) => ({
          ...part,
          state: 'output-error',
          errorText: event.errorText,
          ...end(part, event),
        }))
      case 'tool-output-denied':
        return this.#changeTool(event.toolCallId, ({ preliminary: _, ...part }) => ({
          ...part,
          state: 'output-denied',
          ...end(part, event),
        }))
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

  #open(event: Envelope & EventOf<'text-start' | 'reasoning-start'>): void {
    const type = kindOf(event.type)
    const opened = { id: event.id, state: 'streaming', ...providerMetadata(event) } as const
    if (type === 'text' && event.parentToolCallId == null && this.#continues()) {
      return void this.#changePart(
        (part) => part.type === 'text',
        (part) => ({ ...part, ...opened }) as Part,
      )
    }
    this.#addBeside(event, { type, text: '', ...opened, ...(type === 'reasoning' ? { started: { at: event.at } } : {}) })
  }

  /** Whether this text, the first one of a continuation, goes on in the text that was last, even inside a word. */
  #continues(): boolean {
    if (!this.#transcript.turn?.continues) return false
    this.#turn({ continues: false })
    const last = this.#answer()?.parts.findLast(({ type }) => type === 'text' || type === 'dynamic-tool')
    return last?.type === 'text'
  }

  #stepFinished({ finishReason, usage, context, parentToolCallId }: EventOf<'finish-step'>): void {
    const { steps = 0, usage: used = {}, nested_tokens = 0 } = this.#transcript.turn ?? {}
    if (usage != null) this.#turn({ usage: sum(used, usage) })
    if (parentToolCallId != null) {
      const { input_tokens = 0, output_tokens = 0 } = usage ?? {}
      if (usage != null) this.#turn({ nested_tokens: nested_tokens + input_tokens + output_tokens })
      return this.#changeTool(parentToolCallId, (part) => ({ ...part, steps: (part.steps ?? 0) + 1 }))
    }
    this.#turn({ acting: finishReason === 'tool-calls', steps: steps + 1 })
    if (context == null) return
    this.#changeAnswer((answer) => {
      answer.metadata = { ...answer.metadata, context }
    })
  }

  #turn(change: Partial<Turn>): void {
    if (this.#transcript.turn) this.#transcript.turn = { ...this.#transcript.turn, ...change }
  }

  #add(part: Part): void {
    this.#changeAnswer((answer) => {
      answer.parts.push(part)
    })
  }

  /** Add it to the answer, or to the call in which it happens. */
  #addBeside({ parentToolCallId: parent }: { parentToolCallId?: string | null }, part: Part): void {
    const add = (call: Part) => ({ ...call, parts: [...((call as ToolPart).parts ?? []), part] }) as Part
    if (!parent || !this.#changePart(isCall(parent), add)) this.#add(part)
  }

  #changeOpen(event: { type: Event['type']; id: string }, change: (part: TextPart) => TextPart): void {
    const kind = kindOf(event.type)
    this.#changePart(
      (part) => part.type === kind && (part as TextPart).id === event.id,
      (part) => change(part as TextPart),
    )
  }

  /** Change the call if it has no result yet: a result is final. */
  #changeTool(callId: string, change: (part: ToolPart) => ToolPart): void {
    const path = this.#openCall(callId)
    if (path) this.#replace(path, (part) => change(part as ToolPart))
  }

  #changeOrMakeTool(event: Called, change: (part: ToolPart) => ToolPart): void {
    const said = (part: ToolPart) => ({ ...change(part), ...providerMetadata(event, 'callProviderMetadata') })
    const path = this.#openCall(event.toolCallId)
    if (path) this.#replace(path, (part) => said(part as ToolPart))
    else this.#addBeside(event, said(toolPart(event)))
  }

  #openCall(callId: string): number[] | null {
    const parts = this.#answer()?.parts ?? []
    const path = pathTo(parts, isCall(callId))
    return path && isOver(at(parts, path) as ToolPart) ? null : path
  }

  /** Replace the newest part of the answer, or of what happens inside its calls, that matches; says whether there was one. */
  #changePart(matches: (part: Part) => boolean, change: (part: Part) => Part): boolean {
    const path = pathTo(this.#answer()?.parts ?? [], matches)
    if (path) this.#replace(path, change)
    return path !== null
  }

  #replace(path: number[], change: (part: Part) => Part): void {
    this.#changeAnswer((answer) => {
      let { parts } = answer
      for (const index of path.slice(0, -1)) {
        const call = { ...(parts[index] as ToolPart) }
        call.parts = [...(call.parts ?? [])]
        parts[index] = call
        parts = call.parts
      }
      const index = path.at(-1) as number
      parts[index] = change(parts[index] as Part)
    })
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

/** The way to the newest part that matches, what happens inside a call being newer than the call; `null`: there is none. */
function pathTo(parts: Part[], matches: (part: Part) => boolean): number[] | null {
  for (let index = parts.length - 1; index >= 0; index--) {
    const part = parts[index] as Part
    const inside = part.type === 'dynamic-tool' && part.parts ? pathTo(part.parts, matches) : null
    if (inside) return [index, ...inside]
    if (matches(part)) return [index]
  }
  return null
}

function at(parts: Part[], [index, ...rest]: number[]): Part | undefined {
  const part = parts[index as number]
  return rest.length > 0 ? at((part as ToolPart).parts ?? [], rest) : part
}

function isCall(callId: string): (part: Part) => boolean {
  return (part) => part.type === 'dynamic-tool' && part.toolCallId === callId
}

function approvalsOf({ id: turn, message_id }: Turn, parts: Part[]): Approval[] {
  return [...nested(parts)].flatMap((part) => {
    if (part.type !== 'dynamic-tool' || part.state !== 'approval-requested') return []
    const { approval, toolCallId: tool_call_id, toolName: tool_name, input = null } = part
    return [{ ...(approval as ToolApproval), tool_call_id, tool_name, input, turn, message_id }]
  })
}

interface OfTheQueue {
  queued?: number | null
  sent?: unknown[] | null
  resolved_agent?: string | null
  resolved_model?: string | null
  resolved_effort?: string | null
  resolved_mode?: Mode | null
}

const ABOUT = [
  ...(['agent', 'model', 'effort', 'mode', 'tools', 'author', 'queued', 'sent'] as const),
  ...(['resolved_agent', 'resolved_model', 'resolved_effort', 'resolved_mode'] as const),
]

/** A person's message. */
function message(event: Envelope & Said & OfTheQueue, more: Metadata): UIMessage {
  const metadata: Metadata = { at: event.at, lsn: event.lsn, ...more, client_id: event.client_id }
  Object.assign(metadata, said(Object.fromEntries(ABOUT.map((name) => [name, event[name]]))))
  return { id: event.message_id, role: 'user', parts: partsOf(event), metadata }
}

function partsOf({ text, parts }: { text: string; parts?: unknown[] }): Part[] {
  return [{ type: 'text', text, state: 'done' }, ...((parts ?? []) as Part[])]
}

/** What an answer that is gone on with keeps of its metadata, and the turns that it was made in. */
function kept({ metadata }: UIMessage): Metadata {
  const { at, lsn, parent, usage, waits, turn, client_id, outcome, continued, continued_lsn } = metadata
  const last: Continued = said({ turn, lsn: continued_lsn ?? lsn, outcome, client_id })
  const first = { ...said({ at, lsn, usage, waits }), ...(parent === undefined ? {} : { parent }) }
  return { ...first, continued: [...(continued ?? []), last] }
}

/** The fields that say something. */
function said<T extends object>(fields: T): { [name in keyof T]?: NonNullable<T[name]> } {
  return Object.fromEntries(Object.entries(fields).filter(([, value]) => value != null)) as ReturnType<typeof said<T>>
}

function isData(event: Event): event is Envelope & EventOf<`data-${string}`> {
  return event.type.startsWith('data-')
}

function kindOf(type: string): 'text' | 'reasoning' {
  return type.startsWith('text') ? 'text' : 'reasoning'
}

/** Providers want back what they said of a part (signatures, ids): the newest word on it stays. */
function providerMetadata(event: { providerMetadata?: Record<string, unknown> }, name = 'providerMetadata') {
  const said = event.providerMetadata
  return said && Object.keys(said).length ? { [name]: said } : {}
}

type Called = EventOf<'tool-input-start' | 'tool-input-available' | 'tool-input-error'>

function toolPart({ toolName, toolCallId, title, providerExecuted }: Called): ToolPart {
  return { type: 'dynamic-tool', toolName, toolCallId, state: 'input-available', ...said({ title, providerExecuted }) }
}

/** A call that was started has its end, and so a duration. */
function end(part: Partial<ToolPart>, { at }: Envelope): Pick<ToolPart, 'finishedAt' | 'parts'> {
  return { ...(part.started ? { finishedAt: at } : {}), ...over(part, at) }
}

/** What was open inside of a call ends with it. */
function over({ parts }: Partial<ToolPart>, at: string | null): Pick<ToolPart, 'parts'> {
  return parts ? { parts: parts.map((part) => ended(part, OVER, at)) } : {}
}

/** What changes with a report of a call: how far it is, what it said. */
function progressOf({ logs = [], started }: ToolPart, event: Envelope & EventOf<'tool-progress'>): Partial<ToolPart> {
  const progress = said({ progress: event.progress, total: event.total, message: event.message })
  if (event.log == null && Object.keys(progress).length === 0) {
    return started ? { started: { ...started, seen: event.lsn } } : {}
  }
  const change: Partial<ToolPart> = Object.keys(progress).length > 0 ? { progress } : {}
  if (event.log != null) change.logs = [...logs, { level: event.level || 'info', text: event.log }].slice(-MAX_LOGS)
  return change
}

/** `at`: when it ended; `null` if nobody knows. */
function closed({ id: _, ...part }: TextPart, at: string | null): TextPart {
  return { ...part, state: 'done', ...(part.started && at !== null ? { finishedAt: at } : {}) }
}

/** A part of an answer that has ended: nothing stays open. A part that was complete stays the object that it was. */
function ended(part: Part, outcome: string, at: string | null): Part {
  if (part.type === 'text' || part.type === 'reasoning') return part.state === 'done' ? part : closed(part, at)
  if (part.type !== 'dynamic-tool') return part
  let call = part
  const inside = part.parts?.map((inner) => ended(inner, outcome, at)) ?? []
  if (inside.some((inner, index) => inner !== part.parts?.[index])) call = { ...call, parts: inside }
  return TOOL_ENDS.has(call.state) ? call : { ...call, state: 'output-error', errorText: outcome }
}

type Doing = 'works' | 'waits' | 'over'

/** Whether somebody `works` on one of these, all that is open `waits` for a person or a kernel, or all is `over`. */
function doing(parts: Part[]): Doing {
  const states = parts.map(stateOf)
  return (['works', 'waits'] as const).find((state) => states.includes(state)) ?? 'over'
}

function stateOf(part: Part): Doing {
  if (part.type === 'text' || part.type === 'reasoning') return part.state === 'streaming' ? 'works' : 'over'
  if (part.type !== 'dynamic-tool' || isOver(part)) return 'over'
  const { state, waitsFor, started, parts = [] } = part
  if (state === 'approval-requested' || waitsFor === 'person' || (waitsFor && !started)) return 'waits'
  // Who asks inside of a call waits with it.
  return doing(parts) === 'waits' ? 'waits' : 'works'
}

function waited({ metadata: { waits = [] } }: UIMessage, from: string, to: string): { from: string; to: string }[] {
  return [...waits, { from, to }]
}

function sum(total: Usage, more: Usage): Usage {
  const result = { ...total }
  for (const [kind, amount] of Object.entries(more)) {
    // What costs nothing is known to cost nothing.
    if (amount || kind === 'cost_usd') result[kind] = (result[kind] ?? 0) + amount
  }
  return result
}
