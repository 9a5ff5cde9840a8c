/**
 * What a cell's output is to hold. A chunk of its own: it is needed when an answer is over. At most `SNAPSHOT_BYTES` of
 * transcript are written.
 */

import { type ChatBundle, MIME_TYPE } from './bundle'
import { inSlices } from './frames'
import { isOfTurn, type Transcript, type UIMessage } from './transcript'
import { pieces } from './view/html'
import { messagesOf } from './view/shown'
import { toMarkdown, toText } from './view/static'

const SNAPSHOT_BYTES = 256 * 1024

/** What the cell's output is to hold from now on, by MIME type. Nobody waits for it: it is made in slices. */
export async function output(bundle: ChatBundle, transcript: Transcript): Promise<Record<string, unknown>> {
  const snapshot = limited(transcript, bundle.turn)
  const pause = inSlices()
  let html = ''
  for (const piece of pieces(snapshot, bundle.turn)) {
    html += piece
    await pause()
  }
  return {
    [MIME_TYPE]: { ...bundle, lsn: transcript.lsn, snapshot, notice: null } satisfies ChatBundle,
    'text/html': html,
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

function jsonBytes(value: unknown): number {
  return new TextEncoder().encode(JSON.stringify(value)).length
}
