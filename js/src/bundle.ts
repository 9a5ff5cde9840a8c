/**
 * What the output of a chat cell holds: the mirror of `jupyter_durable_chat/notebook/bundle.py`.
 *
 * A bundle comes from a file and may be a stranger's; what is written is at most `SNAPSHOT_BYTES` of transcript.
 */

import { isRecord, restoreTranscript } from './restore'
import { isOfTurn, type Transcript } from './transcript'
import { toHtml, toMarkdown, toText } from './view'

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
 * The transcript as it is kept, for drawing only: the turn's messages, those of the chosen branch, and without the oldest
 * ones as far as it is larger than `limit`.
 */
export function limited(transcript: Transcript, turn: string | null, limit = SNAPSHOT_BYTES): Transcript {
  const messages = transcript.messages.filter((message) => turn === null || isOfTurn(message, turn))
  const kept = { ...transcript, messages, others: [], removed: [] }
  let size = jsonBytes(kept)
  while (size > limit && messages.length > 0) size -= jsonBytes(messages.shift()) + 1
  const omitted = transcript.messages.length - messages.length
  return { ...kept, ...(omitted > 0 ? { omitted } : {}) }
}

/** A turn runs, or is about to: its question is there already. */
function isMoving({ turn, messages }: Transcript): boolean {
  return turn !== null || messages.at(-1)?.metadata.turn === null
}

/** When what there is of the turn ended, which is more than once when its answer is gone on with; `null`: it runs. */
function end(transcript: Transcript, turn: string): string | null {
  const ofTurn = transcript.messages.filter((message) => isOfTurn(message, turn))
  return ofTurn.findLast(({ metadata }) => metadata.outcome !== undefined)?.metadata.finished_at ?? null
}

function jsonBytes(value: unknown): number {
  return new TextEncoder().encode(JSON.stringify(value)).length
}
