/**
 * The vocabulary, as it is on the wire: the mirror of `jupyter_durable_chat/events.py`.
 *
 * An event is an immutable fact with a number. Assistant output has the chunk types and the field names of the AI SDK v6
 * UI message stream, and a few of its own for calls; session facts are ours and use snake_case. A type that is not in this union is an event all the
 * same: it has a number to remember and nothing to do, so whatever reads events must pass over what it does not know.
 */

export type Outcome = 'completed' | 'stopped' | 'failed' | 'truncated' | 'interrupted'

export interface Author {
  username: string
  name?: string
  color?: string | null
  /** It was code in a kernel. */
  via?: 'kernel' | null
}

export interface TurnError {
  category: string
  text: string
  recoverable: boolean
}

/** Tokens by kind, and what they cost (`cost_usd`), where that is known. */
export type Usage = Record<string, number>

/** What an answer may do: say something; look, and propose what to do; do it. */
export type Mode = 'ask' | 'plan' | 'act'

/** How much a session may use. */
export interface Budget {
  tokens?: number
  cost_usd?: number
}

/** A tool that a kernel runs. */
export interface OfferedTool {
  name: string
  description: string
  parameters: Record<string, unknown>
  approval?: 'never' | 'always' | 'once'
  read_only?: boolean
  idempotent?: boolean
}

/** How full a model's context is, in tokens, and how many it takes, if that is known. */
export interface Context {
  tokens: number
  window?: number
}

export interface Envelope {
  lsn: number
  at: string
  turn?: string | null
}

/** What a person said, with everything that it was sent with. */
export interface Said {
  message_id: string
  client_id: string
  text: string
  parts?: unknown[]
  agent?: string | null
  model?: string | null
  effort?: string | null
  mode?: Mode | null
  tools?: string[] | null
  author?: Author | null
}

type SessionFact =
  | {
      type: 'session-created'
      session: string
      name?: string
      notebook?: string | null
      title?: string | null
      agent?: string | null
      model?: string | null
      forked_from?: string | null
      by?: Author | null
    }
  | {
      type: 'session-updated'
      title?: string | null
      notebook?: string | null
      agent?: string | null
      model?: string | null
      effort?: string | null
      mode?: Mode | null
      budget?: Budget | null
      muted?: boolean
      by?: Author | null
    }
  | ({
      type: 'user-message'
      /** `null`: none, it is a first message; absent: the last message shown. */
      parent?: string | null
      queued?: number | null
      sent?: unknown[] | null
    } & Said)
  | ({
      type: 'message-queued'
      resolved_agent?: string | null
      resolved_model?: string | null
      resolved_effort?: string | null
      resolved_mode?: Mode | null
    } & Said)
  | { type: 'message-dequeued'; message_id: string; reason: 'started' | 'removed'; by?: Author | null }
  | { type: 'queue-edited'; message_id: string; text: string; parts?: unknown[]; by?: Author | null }
  | { type: 'queue-reordered'; message_ids: string[]; by?: Author | null }
  | { type: 'queue-held'; reason: string }
  | { type: 'queue-resumed'; by?: Author | null }
  | { type: 'branch-selected'; message_id: string; by?: Author | null }
  | {
      type: 'turn-started'
      user_message_id: string
      /** Of a message that is there already: this turn goes on with it. */
      message_id: string
      agent: string
      model?: string | null
      effort?: string | null
      mode?: Mode | null
      tools?: string[] | null
      client_id?: string | null
    }
  /** What a kernel runs from now on; nothing when it is gone. */
  | { type: 'tools-offered'; runner: string; kernel?: string | null; tools?: OfferedTool[]; by?: Author | null }
  /** A link by which anybody reads; `hash` is the SHA-256 of its token. */
  | { type: 'share-created'; share: string; hash: string; name?: string; expires_at?: string | null; by?: Author | null }
  | { type: 'share-revoked'; share: string; by?: Author | null }
  | {
      type: 'approval-answered'
      approval_id: string
      tool_call_id: string
      approved: boolean
      reason?: string | null
      by?: Author | null
    }
  | { type: 'stop-requested'; by?: Author | null }
  | { type: 'turn-stopped'; outcome: Outcome; error?: TurnError | null; usage?: Usage | null }

type Metadata = Record<string, unknown>

interface Tool {
  toolCallId: string
  toolName: string
  providerExecuted?: boolean
  providerMetadata?: Metadata
  dynamic?: boolean
  title?: string
  /** The call inside of which this one is made. */
  parentToolCallId?: string | null
}

export type Chunk =
  | { type: 'start'; messageId?: string; messageMetadata?: Metadata }
  | { type: 'start-step'; parentToolCallId?: string | null }
  | {
      type: 'text-start' | 'reasoning-start'
      id: string
      providerMetadata?: Metadata
      parentToolCallId?: string | null
    }
  | { type: 'text-delta' | 'reasoning-delta'; id: string; delta: string; providerMetadata?: Metadata }
  | { type: 'text-end' | 'reasoning-end'; id: string; providerMetadata?: Metadata }
  | ({ type: 'tool-input-start' } & Tool)
  | { type: 'tool-input-delta'; toolCallId: string; inputTextDelta: string }
  | ({ type: 'tool-input-available'; input: unknown } & Tool)
  | ({ type: 'tool-input-error'; input: unknown; errorText: string } & Tool)
  | {
      type: 'tool-approval-request'
      approvalId: string
      toolCallId: string
      /** A yes is one for all calls of this tool. */
      scope?: 'session' | null
      deadline?: string | null
    }
  | { type: 'tool-waiting'; toolCallId: string; waitsFor: 'kernel' | 'person' }
  | { type: 'tool-started'; toolCallId: string; runner?: string | null }
  | {
      type: 'tool-progress'
      toolCallId: string
      progress?: number | null
      total?: number | null
      message?: string | null
      log?: string | null
      level?: string | null
    }
  | { type: 'tool-suspended'; toolCallId: string; kept: unknown; asked: string }
  | { type: 'tool-output-available'; toolCallId: string; output: unknown; preliminary?: boolean }
  | { type: 'tool-output-error'; toolCallId: string; errorText: string }
  | { type: 'tool-output-denied'; toolCallId: string }
  | { type: 'source-url'; sourceId: string; url: string; title?: string; providerMetadata?: Metadata }
  | {
      type: 'source-document'
      sourceId: string
      mediaType: string
      title: string
      filename?: string
      providerMetadata?: Metadata
    }
  | { type: 'file'; url: string; mediaType: string; providerMetadata?: Metadata }
  | { type: 'message-metadata'; messageMetadata: Metadata }
  | {
      type: 'finish-step'
      finishReason?: string | null
      usage?: Usage | null
      context?: Context | null
      parentToolCallId?: string | null
    }
  | { type: 'finish'; finishReason?: string; messageMetadata?: Metadata }
  | { type: 'abort'; reason?: string }
  | { type: 'error'; errorText: string }
  | { type: `data-${string}`; data: unknown; id?: string; transient?: boolean }

/** An event of a known type, as it is in a session's log. */
export type Event = Envelope & (SessionFact | Chunk)

/** Any event, as it comes off the wire: only its number may be relied on before its type is known. */
export type WireEvent = Envelope & { type: string }
