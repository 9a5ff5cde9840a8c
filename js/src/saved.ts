/**
 * What a cell's output is to hold. A chunk of its own: it is needed when an answer is over. At most `SNAPSHOT_BYTES` of
 * transcript are written.
 */

import type { ChatBundle } from './bundle'
import { inSlices } from './frames'
import { MIME_TYPE } from './mime'
import { isOfTurn, type Part, textsOf, type Transcript, type UIMessage } from './transcript'
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
 * is larger than `limit`, what is oldest is left out, and of what waits everything. What a turn shows, and the newest message,
 * is cut instead, where one sees it.
 */
export function limited(transcript: Transcript, turn: string | null, limit = SNAPSHOT_BYTES): Transcript {
  const messages = [...messagesOf(transcript, turn)]
  const ofTurn = (waiting: UIMessage[]) => waiting.filter((message) => turn !== null && isOfTurn(message, turn))
  const { queue, removed } = transcript
  let left: Transcript = { ...transcript, messages, others: [], shares: [], queue: turn === null ? queue : ofTurn(queue), removed: ofTurn(removed) }
  let size = jsonBytes(left)
  while (size > limit && messages.length > 1 && turn === null) size -= jsonBytes(messages.shift()) + 1
  if (size > limit) {
    size -= jsonBytes([left.queue, left.removed]) - '[[],[]]'.length
    left = { ...left, queue: [], removed: [] }
  }
  const kept = new Set(messages.map(({ id }) => id))
  const largest = [...messages.entries()].sort(([, one], [, other]) => jsonBytes(other) - jsonBytes(one))
  for (const [place, message] of largest) {
    if (size <= limit) break
    const short = shortened(message, limit - size + jsonBytes(message))
    size += jsonBytes(short) - jsonBytes(message)
    messages[place] = short
  }
  const omitted = transcript.messages.filter(({ id }) => !kept.has(id)).length
  return omitted > 0 ? { ...left, omitted } : left
}

/** The beginning of what a message says, in about `limit` bytes of JSON, and how much there was. */
function shortened(message: UIMessage, limit: number): UIMessage {
  const texts = textsOf(message).filter((text) => text !== '')
  const said = new TextEncoder().encode(texts.join('\n\n'))
  for (let room = Math.max(limit, 0); ; ) {
    room = Math.floor(room / 2)
    const first = wholeCharacters(said.subarray(0, room))
    const bytes = new TextEncoder().encode(first).length
    const note = bytes < said.length ? `[cut: ${bytes} of ${said.length} bytes]` : '[cut]'
    const parts = [first, note].filter(Boolean).map((text): Part => ({ type: 'text', text, state: 'done' }))
    const short = { ...message, parts }
    if (room === 0 || jsonBytes(short) <= limit) return short
  }
}

/** The text of some UTF-8, without a character that is cut off at its end. */
function wholeCharacters(bytes: Uint8Array): string {
  return new TextDecoder().decode(bytes, { stream: true })
}

function jsonBytes(value: unknown): number {
  return new TextEncoder().encode(JSON.stringify(value)).length
}
