/** The fold gives what the Python fold gives, from wherever it starts, and touches nothing that did not change. */

import { readdirSync, readFileSync } from 'node:fs'

import fc from 'fast-check'
import { describe, expect, test } from 'vitest'

import type { WireEvent } from '../src/events'
import { emptyTranscript, fold, type Transcript } from '../src/transcript'

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

const id = fc.constantFrom('a', 'b')
const turn = fc.constantFrom('t_1', 't_2', null)
const words = fc.string({ maxLength: 5 })
const metadata = fc.option(fc.dictionary(fc.constantFrom('k', 'outcome'), fc.nat(9)), { nil: undefined })

const fact = fc.oneof(
  fc.record({ type: fc.constant('session-created'), session: fc.constant('s_1') }),
  fc.record({ type: fc.constant('session-updated'), title: fc.option(words), muted: fc.boolean() }),
  fc.record({ type: fc.constant('user-message'), message_id: id, client_id: id, text: words }),
  fc.record({ type: fc.constant('turn-started'), user_message_id: id, message_id: id, agent: words }),
  fc.record({ type: fc.constant('stop-requested') }),
  fc.record({
    type: fc.constant('turn-stopped'),
    outcome: fc.constantFrom('completed', 'failed', 'stopped'),
    usage: fc.option(fc.record({ input_tokens: fc.nat(3) })),
  }),
)

const chunk = fc.oneof(
  fc.record({ type: fc.constantFrom('start', 'finish', 'message-metadata'), messageMetadata: metadata }),
  fc.record({ type: fc.constantFrom('text-start', 'reasoning-start', 'text-end', 'reasoning-end'), id }),
  fc.record({ type: fc.constantFrom('text-delta', 'reasoning-delta'), id, delta: words }),
  fc.record({ type: fc.constant('tool-input-start'), toolCallId: id, toolName: words }),
  fc.record({ type: fc.constant('tool-input-delta'), toolCallId: id, inputTextDelta: words }),
  fc.record({ type: fc.constant('tool-input-available'), toolCallId: id, toolName: words, input: fc.jsonValue() }),
  fc.record({ type: fc.constant('tool-output-available'), toolCallId: id, output: words, preliminary: fc.boolean() }),
  fc.record({ type: fc.constantFrom('tool-output-error', 'tool-output-denied'), toolCallId: id, errorText: words }),
  fc.record({ type: fc.constant('tool-approval-request'), toolCallId: id, approvalId: words }),
  fc.record({ type: fc.constant('data-note'), data: fc.jsonValue(), id: fc.option(id, { nil: undefined }) }),
  fc.record({ type: fc.constantFrom('start-step', 'finish-step', 'from-the-future') }),
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
  expect(fold(after, events.slice(0, at + 1))).toBe(after)
})
