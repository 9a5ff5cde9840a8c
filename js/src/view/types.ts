/**
 * What the view is given and what it may ask for. The core owns connection, state and the root element; the view draws
 * `ChatViewProps` and calls `Actions`, and knows nothing of HTTP, streams or hosts.
 *
 * `src/view/index.ts` exports
 *   - `ChatView(props: ChatViewProps): VNode`, rendered by the core into the root element (class `jdc`, `data-*` set by it);
 *   - `css: string`, put once into the document or shadow root that holds the root element;
 *   - `toHtml`, `toMarkdown`, `toText`: `(transcript: Transcript, turn: string | null) => string`, for the saved output.
 *
 * Everything is compared by identity: a message or part object that is the same object has not changed.
 * A transcript may come from a hostile file. Its shape has been checked (restore.ts), its texts have not.
 */

import type { Transcript } from '../transcript'

/**
 * `connecting`: not yet, or again. `live`: every event is seen as it happens. `idle`: complete, and no connection is
 * needed now. `offline`: cannot reach the server, tries again by itself. `gone`: the server does not have this session.
 * `static`: there is no server, only what was saved.
 */
export type ConnectionState = 'connecting' | 'live' | 'idle' | 'offline' | 'gone' | 'static'

/** A message that the person sent and that the transcript does not have yet. `error` set: not sent; resend or discard. */
export interface Outgoing {
  clientId: string
  text: string
  error: string | null
}

export interface Actions {
  /** Never throws and never loses the text: it is in `outbox` until the transcript has it. */
  send(text: string): void
  resend(clientId: string): void
  discard(clientId: string): void
  stop(): void
  /** Try now instead of when the back-off is over. */
  reconnect(): void
}

export interface ChatViewProps {
  /** `null` until there is anything to draw. */
  transcript: Transcript | null
  /** Set: draw this turn's messages only, and no input. */
  turn: string | null
  state: ConnectionState
  /** How often events were missed and fetched again. */
  gaps: number
  /** Why it is not `live`, or what went wrong with a command: text for a person, or nothing. */
  notice: string | null
  outbox: readonly Outgoing[]
  /** `null`: nothing can be asked (`static`). */
  actions: Actions | null
}
