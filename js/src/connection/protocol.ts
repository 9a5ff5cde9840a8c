/**
 * What a page and the hub say to each other over a port. The hub is the same code in a SharedWorker, for all tabs of the
 * browser, and in the page itself where there is no SharedWorker.
 *
 * A page reads a session's transcript itself, then follows it from there; the hub answers `following` with the LSN that
 * it has delivered up to. Is that more than the page has, the page reads once more: what it gets then is newer than
 * `following`, and all events after `following` come over the port. Attach first, read second, drop what you have.
 */

import type { Author, WireEvent } from '../events'
import type { Transcript } from '../transcript'

export type ToHub =
  /** First, and again when the hub has forgotten the page. `api` ends with `/durable-chat/api/`. */
  | { type: 'hello'; api: string; xsrf: string }
  /** `seen`: it is in sight now; said again whenever it comes into sight. */
  | { type: 'follow'; session: string; lsn: number; seen: boolean }
  | { type: 'unfollow'; session: string }
  /** All that somebody sees on the page now. */
  | { type: 'sight'; sessions: string[] }
  /** Whether the page shows the list of sessions now. */
  | { type: 'list'; wanted: boolean }
  /** The person on this page writes something there, or does no longer. */
  | { type: 'typing'; session: string; typing: boolean }
  /** The answer to `xsrf?`. */
  | { type: 'xsrf'; xsrf: string }
  /** Do not wait for the back-off. */
  | { type: 'retry' }
  | { type: 'ping' }
  | { type: 'bye' }

/** `text`: why there is no connection, as the server says it to a person; empty where only the status says it (0: no answer). */
export type LinkState =
  | { state: 'connecting'; text: null }
  | { state: 'live'; text: null }
  | { state: 'offline'; status: number; text: string }

/** Who is at a session. */
export interface Presence {
  session: string
  people: Person[]
}

export type Person = Author & { typing?: boolean }

export type FromHub =
  | ({ type: 'state' } & LinkState)
  | { type: 'following'; session: string; lsn: number }
  | { type: 'events'; session: string; events: WireEvent[] }
  /** Replaces what the page has. */
  | { type: 'snapshot'; session: string; transcript: Transcript }
  /** The server does not have it; it is no longer followed. */
  | { type: 'gone'; session: string; text: string }
  /** The position is of no use: events are missing, or the log ends before it. It is no longer followed. */
  | { type: 'lost'; session: string; reason: 'gap' | 'ahead' }
  /** More sessions than can be followed were seen since; it is no longer followed. */
  | { type: 'dropped'; session: string }
  /** These sessions look different in a list than before; `null`: whoever shows one reads all that it shows. */
  | { type: 'listed'; changed: string[] | null }
  /** Everybody who is there now, the person on this page among them. */
  | ({ type: 'presence' } & Presence)
  /** The server is of this version, as it says to whoever follows an inbox. */
  | { type: 'version'; session: string; version: string }
  | { type: 'xsrf?' }
  /** The answer to `ping`. */
  | { type: 'pong' }
  /** The hub had given the page up. */
  | { type: 'unknown' }

/** Whether what is followed under this id is a person's inbox, and no session. */
export const isInbox = (id: string): boolean => id.startsWith('inbox_')
