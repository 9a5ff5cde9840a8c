/**
 * What the output of a chat cell holds: the mirror of `jupyter_durable_chat/notebook/bundle.py`.
 *
 * A bundle comes from a file and may be a stranger's; what is written is at most `SNAPSHOT_BYTES` of transcript.
 */

import { isRecord, restoreTranscript } from './restore'
import { isOfTurn, type Transcript, type UIMessage } from './transcript'
import { toHtml, toMarkdown, toText } from './view'
import { messagesOf } from './view/static'

export const MIME_TYPE = 'application/vnd.jupyter-durable-chat.v1+json'

const SNAPSHOT_BYTES = 256 * 1024

export interface ChatBundle {
  session: string | null
  /** Show this turn only. */
  turn: string | null
  lsn: number
  snapshot: Transcript | null
  /** The model of the widget that stands behind the cell while a kernel lives. */
  widget: string | null
  notice: string | null
}

export function restoreBundle(data: unknown): ChatBundle {
  const found = isRecord(data) ? data : {}
  const text = (value: unknown) => (typeof value === 'string' ? value : null)
  const session = text(found.session)
  return {
    // It becomes part of addresses.
    session: session !== null && /^[A-Za-z0-9_-]{1,64}$/.test(session) ? session : null,
    turn: text(found.turn),
    lsn: Number.isSafeInteger(found.lsn) ? (found.lsn as number) : 0,
    snapshot: restoreTranscript(found.snapshot),
    widget: text(found.widget),
    notice: text(found.notice),
  }
}

/** Whether a cell that has `bundle` lacks something of what the transcript shows it, now that nothing of it moves. */
export function isOutdated(bundle: ChatBundle, transcript: Transcript): boolean {
  if (bundle.turn === null) return !isMoving(transcript) && bundle.lsn !== transcript.lsn
  const ended = end(transcript, bundle.turn)
  return ended !== null && ended !== (bundle.snapshot && end(bundle.snapshot, bundle.turn))
}

/** What the cell's output is to hold from now on, by MIME type. */
export function output(bundle: ChatBundle, transcript: Transcript): Record<string, unknown> {
  const snapshot = limited(transcript, bundle.turn)
  return {
    [MIME_TYPE]: { ...bundle, lsn: transcript.lsn, snapshot, notice: null } satisfies ChatBundle,
    'text/html': toHtml(snapshot, bundle.turn),
    'text/markdown': toMarkdown(snapshot, bundle.turn),
    'text/plain': toText(snapshot, bundle.turn),
  }
}

/**
 * The transcript as an output keeps it, to be drawn: what the turn shows, or the shown branch and what waits. As far as that
 * is larger than `limit`, what is oldest is left out, and of what waits everything.
 */
export function limited(transcript: Transcript, turn: string | null, limit = SNAPSHOT_BYTES): Transcript {
  const messages = [...messagesOf(transcript, turn)]
  const ofTurn = (waiting: UIMessage[]) => waiting.filter((message) => turn !== null && isOfTurn(message, turn))
  const { queue, removed } = transcript
  let left: Transcript = { ...transcript, messages, others: [], queue: turn === null ? queue : ofTurn(queue), removed: ofTurn(removed) }
  let size = jsonBytes(left)
  while (size > limit && messages.length > 0) size -= jsonBytes(messages.shift()) + 1
  if (size > limit) left = { ...left, queue: [], removed: [] }
  const kept = new Set(messages)
  const omitted = transcript.messages.filter((message) => !kept.has(message)).length
  return omitted > 0 ? { ...left, omitted } : left
}

/** A turn runs, or is about to: its question is there already. */
function isMoving({ turn, messages }: Transcript): boolean {
  return turn !== null || messages.at(-1)?.metadata.turn === null
}

/** When the turn ended, which is more than once when its answer is gone on with; `null`: it waits or runs. */
function end(transcript: Transcript, turn: string): string | null {
  if (transcript.removed.some((message) => isOfTurn(message, turn))) return 'removed'
  const answer = messagesOf(transcript, turn).findLast(({ metadata }) => metadata.outcome !== undefined)
  return answer?.metadata.finished_at ?? null
}

function jsonBytes(value: unknown): number {
  return new TextEncoder().encode(JSON.stringify(value)).length
}
