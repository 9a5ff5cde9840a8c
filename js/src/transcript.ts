/**
 * The pure fold of events into what a person sees: the mirror of `jupyter_durable_chat/transcript.py`.
 */

import type { Author, Outcome, TurnError, Usage } from './events'

export interface TextPart {
  type: 'text' | 'reasoning'
  text: string
  state?: 'streaming' | 'done'
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
}
