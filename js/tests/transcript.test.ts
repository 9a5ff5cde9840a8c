/** The fold gives what the Python fold gives, from wherever it starts, and touches nothing that did not change. */

import { readdirSync, readFileSync } from 'node:fs'

import fc from 'fast-check'
import { describe, expect, test } from 'vitest'

import type { WireEvent } from '../src/events'
import { fold } from '../src/fold'
import { canContinue, emptyTranscript, isOfTurn, type Transcript, type UIMessage, versions } from '../src/transcript'

const VECTORS = new URL('../../tests/vectors/', import.meta.url)

interface Vector {
  name: string
  events: WireEvent[]
  transcript: Transcript
}

const vectors: Vector[] = readdirSync(VECTORS)
  .filter((file) => file.endsWith('.json'))
  .map((file) => JSON.parse(readFileSync(new URL(file, VECTORS), 'utf8')) as Vector)

test('there are vectors', () => expect(vectors.length).toBeGreaterThan(10))

describe.each(vectors)('$name', ({ events, transcript }) => {
  test('folds to what the Python fold gives', () => {
    expect(fold(emptyTranscript(), events)).toEqual(transcript)
  })

  test('goes on from the JSON of any LSN', () => {
    for (const cut of events.keys()) {
      const saved = JSON.parse(JSON.stringify(fold(emptyTranscript(), events.slice(0, cut)))) as Transcript
      expect(fold(saved, events)).toEqual(transcript)
    }
  })
})

// Logs as a server could write them, and worse: turns that overlap, parts that never open, results without calls.

const id = fc.constantFrom('a', 'b', 'c')
const turn = fc.constantFrom('t_1', 't_2', null)
const words = fc.string({ maxLength: 5 })
const metadata = fc.option(fc.dictionary(fc.constantFrom('k', 'outcome'), fc.nat(9)), { nil: undefined })

const inside = { parentToolCallId: fc.option(id) }

const fact = fc.oneof(
  fc.record({ type: fc.constant('session-created'), session: fc.constant('s_1') }),
  fc.record({ type: fc.constant('session-updated'), title: fc.option(words), muted: fc.boolean() }),
  fc.record({
    type: fc.constant('user-message'),
    message_id: id,
    client_id: id,
    text: words,
    parent: fc.option(fc.option(id), { nil: undefined }),
  }),
  fc.record({ type: fc.constant('branch-selected'), message_id: id }),
  fc.record({ type: fc.constant('message-queued'), message_id: id, client_id: id, text: words }),
  fc.record({ type: fc.constant('message-dequeued'), message_id: id, reason: fc.constantFrom('started', 'removed') }),
  fc.record({ type: fc.constant('queue-edited'), message_id: id, text: words }),
  fc.record({ type: fc.constant('queue-reordered'), message_ids: fc.array(id, { maxLength: 3 }) }),
  fc.record({ type: fc.constantFrom('queue-held', 'queue-resumed'), reason: words }),
  fc.record({ type: fc.constant('turn-started'), user_message_id: id, message_id: id, agent: words, client_id: fc.option(id) }),
  fc.record({ type: fc.constant('stop-requested') }),
  fc.record({ type: fc.constant('tools-offered'), runner: id, kernel: fc.option(id), tools: fc.constantFrom([], [{ name: 'f' }]) }),
  fc.record({ type: fc.constant('approval-answered'), approval_id: id, tool_call_id: id, approved: fc.boolean() }),
  fc.record({
    type: fc.constant('turn-stopped'),
    outcome: fc.constantFrom('completed', 'failed', 'stopped'),
    usage: fc.option(fc.record({ input_tokens: fc.nat(3) })),
  }),
)

const chunk = fc.oneof(
  fc.record({ type: fc.constantFrom('start', 'finish', 'message-metadata'), messageMetadata: metadata }),
  fc.record({ type: fc.constantFrom('text-start', 'reasoning-start', 'text-end', 'reasoning-end'), id, ...inside }),
  fc.record({ type: fc.constantFrom('text-delta', 'reasoning-delta'), id, delta: words }),
  fc.record({ type: fc.constant('tool-input-start'), toolCallId: id, toolName: words, ...inside }),
  fc.record({ type: fc.constant('tool-input-delta'), toolCallId: id, inputTextDelta: words }),
  fc.record({ type: fc.constant('tool-input-available'), toolCallId: id, toolName: words, input: fc.jsonValue(), ...inside }),
  fc.record({ type: fc.constant('tool-output-available'), toolCallId: id, output: words, preliminary: fc.boolean() }),
  fc.record({ type: fc.constantFrom('tool-output-error', 'tool-output-denied'), toolCallId: id, errorText: words }),
  fc.record({ type: fc.constant('tool-approval-request'), toolCallId: id, approvalId: id, scope: fc.constantFrom('session', null) }),
  fc.record({ type: fc.constant('tool-waiting'), toolCallId: id, waitsFor: fc.constantFrom('kernel', 'person') }),
  fc.record({ type: fc.constant('tool-started'), toolCallId: id, runner: fc.option(id) }),
  fc.record({ type: fc.constant('tool-progress'), toolCallId: id, progress: fc.option(fc.nat(9)), log: fc.option(words) }),
  fc.record({ type: fc.constant('tool-suspended'), toolCallId: id, kept: fc.jsonValue(), asked: id }),
  fc.record({ type: fc.constant('data-note'), data: fc.jsonValue(), id: fc.option(id, { nil: undefined }) }),
  fc.record({ type: fc.constantFrom('start-step', 'from-the-future') }),
  fc.record({ type: fc.constant('finish-step'), finishReason: fc.constantFrom('tool-calls', 'stop'), ...inside }),
)

const log = fc
  .array(fc.tuple(fc.oneof(fact, chunk), turn), { maxLength: 60 })
  .map((events) =>
    events.map(([event, turn], index): WireEvent => ({ ...event, turn, lsn: index + 1, at: `at ${index + 1}` })),
  )

function deepFreeze<T>(value: T): T {
  if (typeof value === 'object' && value !== null) {
    Object.freeze(value)
    Object.values(value).forEach(deepFreeze)
  }
  return value
}

test('fold(all) == fold(the JSON of any LSN, overlapping rest), whatever the batches', () => {
  fc.assert(
    fc.property(log, fc.nat(60), fc.nat(60), (events, cut, overlap) => {
      const whole = fold(emptyTranscript(), events)
      const saved = fold(emptyTranscript(), events.slice(0, cut))
      const again = JSON.parse(JSON.stringify(saved)) as Transcript
      expect(fold(again, events.slice(Math.max(0, cut - overlap)))).toEqual(whole)
      const oneByOne = events.reduce((transcript, event) => fold(transcript, [event]), emptyTranscript())
      expect(oneByOne).toEqual(whole)
    }),
  )
})

test('a transcript is never changed', () => {
  fc.assert(
    fc.property(log, fc.nat(60), (events, cut) => {
      const before = deepFreeze(fold(emptyTranscript(), events.slice(0, cut)))
      fold(before, deepFreeze(events.slice(cut)))
    }),
  )
})

test('what did not change is the same object', () => {
  const { events } = vectors.find((vector) => vector.name === 'two-turns') as Vector
  const at = events.findIndex((event) => event.turn === 't_2' && event.type === 'text-delta')
  const before = fold(emptyTranscript(), events.slice(0, at))
  const after = fold(before, events.slice(at, at + 1))
  expect(after.messages.slice(0, 3)).toEqual(before.messages.slice(0, 3))
  for (const index of [0, 1, 2]) expect(after.messages[index]).toBe(before.messages[index])
  expect(after.messages[3]).not.toBe(before.messages[3])
  expect(after.messages[3]?.metadata).toBe(before.messages[3]?.metadata)
  expect(after.others).toBe(before.others)
  expect(fold(after, events.slice(0, at + 1))).toBe(after)
})

test('a batch costs its events and the messages, not their square', () => {
  const ask = (n: number) => ({ type: 'user-message', message_id: `m_${n}`, client_id: `c_${n}`, text: 'x', parent: n % 2 ? 'm_0' : null })
  const asked = Array.from({ length: 20_000 }, (_, n): WireEvent => ({ ...ask(n), lsn: n + 1, at: '' }))
  const transcript = fold(emptyTranscript(), asked)
  expect([transcript.messages.length, transcript.others.length]).toEqual([2, 19_998])
})

test('versions are what follows the same message in the same role, in the order in which they came', () => {
  const { transcript } = vectors.find((vector) => vector.name === 'branches') as Vector
  const all = [...transcript.messages, ...transcript.others]
  for (const message of all) {
    const siblings = all.filter(({ role, metadata }) => role === message.role && metadata.parent === message.metadata.parent)
    expect(new Set(versions(transcript, message))).toEqual(new Set(siblings))
    const lsns = versions(transcript, message).map(({ metadata }) => metadata.lsn as number)
    expect(lsns).toEqual(lsns.toSorted((one, other) => one - other))
  }
  expect(all.some((message) => versions(transcript, message).length > 1)).toBe(true)
})

test('an answer that is over and not complete can be gone on with', () => {
  const { events } = vectors.find((vector) => vector.name === 'continue') as Vector
  const seen = events.map((_, index) => fold(emptyTranscript(), events.slice(0, index + 1)).messages.at(-1))
  const outcomes = new Set(seen.flatMap((message) => (message && canContinue(message) ? [message.metadata.outcome] : [])))
  expect([...outcomes]).not.toContain('completed')
  expect(outcomes.size).toBeGreaterThan(0)
  for (const message of seen) if (message?.role === 'user' || !message?.metadata.outcome) expect(message && canContinue(message)).toBeFalsy()
})

test('a continued answer is of all the turns that it was made in', () => {
  const { transcript } = vectors.find((vector) => vector.name === 'continue') as Vector
  const answer = transcript.messages.find(({ metadata }) => metadata.continued) as UIMessage
  const turns = [...(answer.metadata.continued ?? []).map(({ turn }) => turn as string), answer.metadata.turn as string]
  expect(turns.length).toBeGreaterThan(1)
  for (const turn of turns) expect(isOfTurn(answer, turn)).toBe(true)
  expect(isOfTurn(answer, 't_never')).toBe(false)
})
