/**
 * The vocabulary, as it is on the wire: the mirror of `jupyter_durable_chat/events.py`.
 *
 * An event is an immutable fact with a number. Assistant output has the chunk types and the field names of the AI SDK v6
 * UI message stream; session facts are ours and use snake_case. A type that is not in this union is an event all the
 * same: it has a number to remember and nothing to do, so whatever reads events must pass over what it does not know.
 */

export type Outcome = 'completed' | 'stopped' | 'failed' | 'truncated' | 'interrupted'

export interface Author {
  username: string
  name?: string
  color?: string | null
}

export interface TurnError {
  category: string
  text: string
  recoverable: boolean
}

/** Tokens by kind. */
export type Usage = Record<string, number>

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
  tools?: string[] | null
  author?: Author | null
}

export type SessionFact =
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
      agent?: string | null
      model?: string | null
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
  | ({ type: 'message-queued'; resolved_agent?: string | null; resolved_model?: string | null } & Said)
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
      client_id?: string | null
    }
  | { type: 'stop-requested'; by?: Author | null }
  | { type: 'turn-stopped'; outcome: Outcome; error?: TurnError | null; usage?: Usage | null }

type Metadata = Record<string, unknown>

interface Tool {
  toolCallId: string
  toolName: string
  providerExecuted?: boolean
  dynamic?: boolean
  title?: string
}

export type Chunk =
  | { type: 'start'; messageId?: string; messageMetadata?: Metadata }
  | { type: 'start-step' }
  | { type: 'text-start' | 'reasoning-start'; id: string; providerMetadata?: Metadata }
  | { type: 'text-delta' | 'reasoning-delta'; id: string; delta: string; providerMetadata?: Metadata }
  | { type: 'text-end' | 'reasoning-end'; id: string; providerMetadata?: Metadata }
  | ({ type: 'tool-input-start' } & Tool)
  | { type: 'tool-input-delta'; toolCallId: string; inputTextDelta: string }
  | ({ type: 'tool-input-available'; input: unknown } & Tool)
  | ({ type: 'tool-input-error'; input: unknown; errorText: string } & Tool)
  | { type: 'tool-approval-request'; approvalId: string; toolCallId: string }
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
  | { type: 'finish-step' }
  | { type: 'finish'; finishReason?: string; messageMetadata?: Metadata }
  | { type: 'abort'; reason?: string }
  | { type: 'error'; errorText: string }
  | { type: `data-${string}`; data: unknown; id?: string; transient?: boolean }

/** An event of a known type, as it is in a session's log. */
export type Event = Envelope & (SessionFact | Chunk)

/** Any event, as it comes off the wire: only its number may be relied on before its type is known. */
export type WireEvent = Envelope & { type: string }
