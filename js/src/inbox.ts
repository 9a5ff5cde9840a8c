/**
 * What one person is told of their sessions: the mirror of `jupyter_durable_chat/inbox.py`.
 */

import type { WireEvent } from './events'

export type NoticeKind = 'done' | 'failed' | 'waiting'

/** What happened in a session that nobody watched. */
export interface Notice {
  session: string
  turn: string
  kind: NoticeKind
  /** The call with which the turn waits for the person, and what it calls. */
  wait: string | null
  tool: string | null
  /** How far the session was then. */
  lsn: number
  title: string | null
  text: string
  notebook: string | null
  at: string
  /** The session is muted: it is unread, and no more. */
  quiet: boolean
  read: boolean
  /** The page that shows it. */
  claimed: string | null
}

export interface Inbox {
  id: string
  lsn: number
  notices: Notice[]
  unread: number
  told: string[]
}

const MAX_NOTICES = 100
const MAX_TOLD = 400

type InboxEvent = { lsn: number; at: string; turn: string } & (
  | { type: 'turn-noticed'; session_id: string; session_lsn: number; kind: NoticeKind; wait?: string; tool?: string; title?: string; text?: string; notebook?: string; quiet?: boolean }
  | { type: 'notice-claimed'; kind: NoticeKind; wait?: string; by: string }
  | { type: 'notice-withdrawn' }
  | { type: 'session-read'; session_id: string; session_lsn: number }
  | { type: 'notices-cleared' }
  | { type: 'session-forgotten'; session_id: string }
)

/** The inbox after these events; those that it has already change nothing. */
export function foldInbox(inbox: Inbox, events: readonly WireEvent[]): Inbox {
  let { lsn, notices, told } = inbox
  for (const event of events as unknown as InboxEvent[]) {
    if (event.lsn <= lsn) continue
    lsn = event.lsn
    if (event.type === 'turn-noticed') {
      const key = [event.turn, event.kind, event.wait ?? ''].join('\n')
      if (told.includes(key)) continue
      told = [...told, key].slice(-MAX_TOLD)
    }
    notices = after(notices, event)
  }
  return { ...inbox, lsn, notices, told, unread: notices.filter(({ read, quiet }) => !read && !quiet).length }
}

function after(notices: Notice[], event: InboxEvent): Notice[] {
  switch (event.type) {
    case 'turn-noticed': {
      const { session_id: session, session_lsn: lsn, turn, kind, at } = event
      const { wait = null, tool = null, title = null, text = '', notebook = null, quiet = false } = event
      const notice = { session, turn, kind, wait, tool, lsn, title, text, notebook, at, quiet, read: false, claimed: null }
      return [...notices.filter((other) => other.turn !== turn), notice].slice(-MAX_NOTICES)
    }
    case 'notice-claimed':
      return notices.map((notice) => (isOf(notice, event) ? { ...notice, claimed: notice.claimed ?? event.by } : notice))
    case 'notice-withdrawn':
      return notices.filter(({ turn, kind }) => turn !== event.turn || kind !== 'waiting')
    case 'session-read':
      return notices.map((notice) =>
        notice.session === event.session_id && notice.lsn <= event.session_lsn ? { ...notice, read: true } : notice,
      )
    case 'notices-cleared':
      return []
    case 'session-forgotten':
      return notices.filter(({ session }) => session !== event.session_id)
    default:
      return notices
  }
}

function isOf(notice: Notice, { turn, kind, wait }: { turn: string; kind: NoticeKind; wait?: string }): boolean {
  return notice.turn === turn && notice.kind === kind && notice.wait === (wait ?? null)
}
