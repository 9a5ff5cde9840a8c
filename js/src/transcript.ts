/**
 * What a person sees of a session: the shape of a transcript, and what can be read off it. `fold.ts` makes it of events.
 */

import type { Author, Budget, Context, Mode, OfferedTool, Outcome, TurnError, Usage } from './events'

export interface TextPart {
  type: 'text' | 'reasoning'
  /** The stream's name for the part, for as long as it is open. */
  id?: string
  text: string
  state?: 'streaming' | 'done'
  /** Of reasoning: when it began, and when it ended, where somebody saw that. */
  started?: { at: string }
  finishedAt?: string
  providerMetadata?: Record<string, unknown>
}

interface StepStartPart {
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
    | 'approval-responded'
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
  /** Steps of a model that ended inside of it. */
  steps?: number
  approval?: ToolApproval
  /** Who runs it, if that is not the server: a kernel that offers it, or a person, who answers it. */
  waitsFor?: 'kernel' | 'person'
  started?: { at: string; runner?: string; seen?: number }
  finishedAt?: string
  progress?: { progress?: number; total?: number; message?: string }
  logs?: { level: string; text: string }[]
  /** What its first phase left, and the call inside of it that somebody else is asked. */
  suspended?: { kept: unknown; asked: string }
  /** What happens inside of it: of a sub-agent, of a question. */
  parts?: Part[]
  callProviderMetadata?: Record<string, unknown>
}

export interface ToolApproval {
  id: string
  /** A yes is one for all calls of this tool. */
  scope?: 'session'
  deadline?: string
  approved?: boolean
  reason?: string
  by?: Author
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
  effort?: string | null
  mode?: Mode | null
  tools?: string[] | null
  context?: Context
  author?: Author | null
  outcome?: Outcome
  /** Who asked for its end. */
  stopped_by?: Author
  error?: TurnError
  usage?: Usage
  finished_at?: string
  finished_lsn?: number
  /** When nobody worked on it: a person or a kernel was waited for. */
  waits?: { from: string; to: string }[]
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
  effort: string | null
  mode: Mode | null
  tools: string[] | null
  started_at: string
  stopping: boolean
  /** The answer was there already, and its next text goes on in its last one. */
  continues: boolean
  /** How many parts the answer had when the turn began. */
  first_part: number
  /** A step has ended with calls, and no other has begun. */
  acting: boolean
  steps: number
  /** Of the steps so far. */
  usage: Usage
  /** What models have used that its calls asked. */
  nested_tokens: number
  /** Since when it waits for a person or a kernel. */
  waits_since: string | null
}

/** A call that waits for a person's yes or no. */
export interface Approval {
  id: string
  scope?: 'session'
  deadline?: string
  tool_call_id: string
  tool_name: string
  input: unknown
  turn: string
  message_id: string
}

/** What a kernel runs; `runner` is one life of its process. */
export interface Offer {
  runner: string
  kernel: string | null
  tools: OfferedTool[]
}

/** A link by which anybody reads. */
export interface Share {
  id: string
  /** The SHA-256 of its token. */
  hash: string
  /** For whom it is, in words of whoever made it. */
  name: string
  at: string
  expires_at: string | null
  by: Author | null
}

export interface Transcript {
  id: string
  lsn: number
  title: string | null
  name: string
  notebook: string | null
  agent: string | null
  model: string | null
  effort: string | null
  /** `null`: act. */
  mode: Mode | null
  budget: Budget | null
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
  /** What the running turn waits for, oldest first. */
  approvals: Approval[]
  offers: Offer[]
  /** The tools that need no other yes. */
  allowed: string[]
  /** Links that were not revoked, oldest first. */
  shares: Share[]
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
    effort: null,
    mode: null,
    budget: null,
    muted: false,
    status: 'idle',
    messages: [],
    others: [],
    turn: null,
    queue: [],
    held: null,
    removed: [],
    approvals: [],
    offers: [],
    allowed: [],
    shares: [],
    usage: {},
    created_at: '',
    updated_at: '',
  }
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

/** What is written in a message, part by part. */
export function textsOf({ parts }: UIMessage): string[] {
  return parts.flatMap((part) => (part.type === 'text' ? [part.text] : []))
}

/** Whether the message was said or answered in this turn. */
export function isOfTurn({ metadata }: UIMessage, turn: string): boolean {
  return metadata.turn === turn || (metadata.continued ?? []).some((before) => before.turn === turn)
}

/** In the order in which they came. */
export function inOrder(messages: UIMessage[]): UIMessage[] {
  return messages.sort((one, other) => (one.metadata.lsn ?? 0) - (other.metadata.lsn ?? 0))
}

export const TOOL_ENDS = new Set(['output-available', 'output-error', 'output-denied'])

export const OVER = 'The call around this one is over.'

/** Whether a call has its result. */
export function isOver({ state, preliminary }: ToolPart): boolean {
  return TOOL_ENDS.has(state) && !preliminary
}

/** These parts and what happened inside their calls, each call before what is in it. */
export function* nested(parts: Part[]): Generator<Part> {
  for (const part of parts) {
    yield part
    if (part.type === 'dynamic-tool' && part.parts) yield* nested(part.parts)
  }
}
