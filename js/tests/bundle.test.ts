// @vitest-environment jsdom
/** A cell's output is rewritten when something ended that it does not show, and stays small. */

import { readFileSync } from 'node:fs'
import { join } from 'node:path'

import { expect, test } from 'vitest'

import { type ChatBundle, isOutdated, restoreBundle } from '../src/bundle'
import { MIME_TYPE } from '../src/mime'
import type { WireEvent } from '../src/events'
import { limited, output } from '../src/saved'
import { fold } from '../src/fold'
import { emptyTranscript, type Transcript } from '../src/transcript'

interface Vector {
  events: WireEvent[]
  transcript: Transcript
}

function vector(name: string): Vector {
  return JSON.parse(readFileSync(join(import.meta.dirname, '../../tests/vectors', `${name}.json`), 'utf8')) as Vector
}

/** The bundle that a cell got when the log was at `lsn`. */
function saved({ events }: Vector, lsn: number, turn: string | null = null): ChatBundle {
  const snapshot = fold(emptyTranscript(), events.slice(0, lsn))
  return { session: 's_1', turn, lsn, snapshot, widget: 'w', notice: null }
}

/** At which LSNs of the log a cell that keeps what it is given is rewritten. */
async function rewrites(log: Vector, turn: string | null): Promise<number[]> {
  let bundle = saved(log, 1, turn)
  const at: number[] = []
  for (let lsn = 2; lsn <= log.events.length; lsn++) {
    const transcript = fold(emptyTranscript(), log.events.slice(0, lsn))
    if (!isOutdated(bundle, transcript)) continue
    bundle = restoreBundle(JSON.parse(JSON.stringify((await output(bundle, transcript))[MIME_TYPE])))
    at.push(lsn)
  }
  return at
}

test('a chat is kept after each outcome, a turn after its own', async () => {
  const log = vector('two-turns')
  const outcomes = log.events.filter(({ type }) => type === 'turn-stopped').map(({ lsn }) => lsn)
  expect(await rewrites(log, null)).toEqual(outcomes)
  expect(await rewrites(log, 't_1')).toEqual(outcomes.slice(0, 1))
  expect(await rewrites(log, 't_2')).toEqual(outcomes.slice(1))
})

test('what is kept says what the cell shows, and whose widget it is', async () => {
  const log = vector('two-turns')
  const kept = await output(saved(log, 1, 't_1'), log.transcript)
  const data = kept[MIME_TYPE] as ChatBundle
  expect(data).toMatchObject({ session: 's_1', turn: 't_1', lsn: log.transcript.lsn, widget: 'w' })
  expect(data.snapshot?.messages.map(({ id }) => id)).toEqual(['m_1', 'm_2'])
  expect(data.snapshot?.omitted).toBe(2)
  for (const type of ['text/html', 'text/markdown', 'text/plain']) {
    expect(kept[type]).toContain('one')
    expect(kept[type]).not.toContain('And?')
  }
})

test('of a chat the shown branch and what waits are kept; of a turn, what it has of that', () => {
  const { transcript } = vector('queue')
  expect(limited(transcript, null)).toEqual({ ...transcript, removed: [] })
  const kept = (turn: string) => {
    const { messages, others, queue, removed } = limited(transcript, turn)
    return [messages, others, queue, removed].map((list) => list.map(({ id }) => id))
  }
  expect(kept('t_1')).toEqual([['m_1', 'm_2'], [], [], []])
  expect(kept('t_2')).toEqual([[], [], [], ['q_1']])
  expect(kept('t_3')).toEqual([[], [], ['q_2'], []])
  expect(limited(vector('branches').transcript, null).others).toEqual([])
})

test("a turn's answer that is gone on with is kept again when that is over; so is a message that was removed", async () => {
  const log = vector('continue')
  const stops = log.events.filter(({ type }) => type === 'turn-stopped')
  const first = stops[0]?.turn as string
  const { continued = [] } = log.transcript.messages.findLast(({ role }) => role === 'assistant')?.metadata ?? {}
  expect(continued[0]?.turn).toBe(first)
  expect(await rewrites(log, first)).toEqual(stops.map(({ lsn }) => lsn))
  const queue = vector('queue')
  expect(await rewrites(queue, 't_2')).toEqual(queue.events.flatMap(({ type, lsn }) => (type === 'message-dequeued' ? [lsn] : [])))
})

test('the oldest messages are left out of what would be too large', () => {
  const { transcript } = vector('two-turns')
  const [message] = transcript.messages as [Transcript['messages'][0]]
  const long = { ...transcript, messages: Array.from({ length: 100 }, (_, n) => ({ ...message, id: `ü${n}` })) }
  const bytes = (value: unknown) => Buffer.byteLength(JSON.stringify(value))
  const small = limited(long, null, 10_000)
  expect(bytes({ ...small, omitted: undefined })).toBeLessThanOrEqual(10_000)
  expect(bytes({ ...small, omitted: undefined }) + bytes(message)).toBeGreaterThan(9_990)
  expect(small.messages.at(-1)?.id).toBe('ü99')
  expect(small.messages.length + (small.omitted ?? 0)).toBe(100)
  expect(limited(long, null)).toEqual(long)
})

test('what alone would be too large is cut where one sees it', async () => {
  const log = vector('two-turns')
  const [question, answer] = log.transcript.messages as [Transcript['messages'][0], Transcript['messages'][0]]
  const long = { ...answer, parts: [{ type: 'text' as const, text: 'é"\n'.repeat(100_000), state: 'done' as const }] }
  const transcript = { ...log.transcript, messages: [question, long] }
  for (const turn of [null, 't_1']) {
    const kept = limited(transcript, turn)
    expect(Buffer.byteLength(JSON.stringify(kept))).toBeLessThanOrEqual(256 * 1024 + ',"omitted":1'.length)
    const [said, note] = kept.messages.at(-1)?.parts as unknown as [{ text: string }, { text: string }]
    expect(said.text.length).toBeGreaterThan(40_000)
    expect(said.text).toBe('é"\n'.repeat(100_000).slice(0, said.text.length))
    expect(note.text).toBe(`[cut: ${Buffer.byteLength(said.text)} of 400000 bytes]`)
    expect(kept.messages.length).toBe(turn === null ? 1 : 2)
  }
  const bundle = saved(log, 1, 't_1')
  expect(Buffer.byteLength(JSON.stringify(await output(bundle, transcript)))).toBeLessThan(4 * 256 * 1024)
  expect((await output(bundle, transcript))['text/plain']).toMatch(/\n\n\[cut: \d+ of 400000 bytes\]$/)
})
