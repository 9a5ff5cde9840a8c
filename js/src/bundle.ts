/**
 * What the output of a chat cell holds: the mirror of `jupyter_durable_chat/notebook/bundle.py`.
 *
 * A bundle comes from a file and may be a stranger's. What is written of one is `saved.ts`'s business.
 */

import { isRecord, restoreTranscript } from './restore'
import { isOfTurn, type Transcript } from './transcript'
import { messagesOf } from './view/shown'

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
