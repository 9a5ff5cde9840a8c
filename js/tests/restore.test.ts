// @vitest-environment jsdom
/** A saved chat may come from a stranger: whatever it claims, what is drawn has the shape that drawing relies on. */

import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'

import fc from 'fast-check'
import { expect, test } from 'vitest'

import { restoreBundle } from '../src/bundle'
import type { WireEvent } from '../src/events'
import { restoreTranscript, withDefaults } from '../src/restore'
import { fold } from '../src/fold'
import { emptyTranscript, type Transcript, type Turn, type UIMessage } from '../src/transcript'
import { toMarkdown, toText } from '../src/view/static'

const VECTORS = join(import.meta.dirname, '../../tests/vectors')

const names = readdirSync(VECTORS).flatMap((file) => (file.endsWith('.json') ? [file.slice(0, -5)] : []))
const transcripts = names.map((name) => vector(name).transcript)

function vector(name: string): { events: WireEvent[]; transcript: Transcript } {
  return JSON.parse(readFileSync(join(VECTORS, `${name}.json`), 'utf8')) as { events: WireEvent[]; transcript: Transcript }
}

test.each(transcripts)('what the fold gives comes back as it was', (transcript) => {
  expect(restoreTranscript(JSON.parse(JSON.stringify(transcript)))).toEqual(withoutExtras(transcript))
})

/** What is not drawn is not restored: other branches, what could be asked or answered, and metadata that nobody here knows. */
function withoutExtras(transcript: Transcript): Transcript {
  const drawn = (message: UIMessage): UIMessage => {
    const unknown = ['k', 'z', 'tools', 'sent', 'resolved_agent', 'resolved_model', 'resolved_effort', 'resolved_mode']
    const known = Object.entries(message.metadata).filter(([name]) => !unknown.includes(name))
    return { ...message, metadata: Object.fromEntries(known) }
  }
  return {
    ...transcript,
    messages: transcript.messages.map(drawn),
    others: [],
    budget: null,
    approvals: [],
    offers: [],
    shares: [],
    allowed: [],
    queue: transcript.queue.map(drawn),
    removed: transcript.removed.map(drawn),
  }
}

test('a transcript from before there were queues and branches is one branch, and nothing waits', () => {
  const { events, transcript } = vector('two-turns')
  const { others: _others, queue: _queue, held: _held, removed: _removed, ...old } = fold(emptyTranscript(), events.slice(0, 12))
  const withoutParents = old.messages.map((message) => {
    const { parent: _parent, ...metadata } = message.metadata
    return { ...message, metadata }
  })
  const { continues: _continues, ...turn } = old.turn as Turn
  const read = withDefaults({ ...old, messages: withoutParents, turn } as unknown as Transcript)
  expect(fold(read, events)).toEqual(transcript)
  expect(restoreTranscript({ ...old, messages: withoutParents, turn })?.messages.map(({ metadata }) => metadata.parent)).toEqual(
    read.messages.map(({ metadata }) => metadata.parent),
  )
})

const strange = fc.oneof(
  fc.jsonValue(),
  fc.constantFrom(null, -1, 1e400, '', {}, [], { type: 'text' }, { type: 'text', text: {} }, '__proto__'),
)

/** A transcript in which some places hold something else. */
const spoilt = fc
  .tuple(fc.constantFrom(...transcripts), fc.array(fc.tuple(fc.nat(), strange), { minLength: 1, maxLength: 4 }))
  .map(([transcript, changes]) => changes.reduce((value, [place, other]) => replace(value, place, other), transcript as unknown))

/** `value` with the place number `place`, counted through the tree and around it, replaced. */
function replace(value: unknown, place: number, other: unknown): unknown {
  let count = 0
  JSON.stringify(value, (_, inner: unknown) => (count++, inner))
  let at = -1
  return JSON.parse(JSON.stringify(value, (_, inner: unknown) => (++at === place % count ? other : inner)) ?? 'null')
}

test('nothing that is restored breaks what draws it', () => {
  fc.assert(
    fc.property(spoilt, fc.constantFrom(null, 't_1'), (data, turn) => {
      const transcript = restoreTranscript(data)
      if (!transcript) return
      for (const write of [toMarkdown, toText]) expect(write(transcript, turn)).toEqual(expect.any(String))
      expect(transcript.messages.every(({ id, parts }) => typeof id === 'string' && Array.isArray(parts))).toBe(true)
      expect(Number.isSafeInteger(transcript.lsn)).toBe(true)
      const event = { lsn: transcript.lsn + 1, at: '', type: 'session-updated', title: 'new' }
      expect(fold(transcript, [event]).title).toBe('new')
    }),
    { numRuns: 500 },
  )
})

test.each(['../../api/shutdown', 'a/b', '', 's_1?x', 's:1', 1, null, {}])('%j is no session', (session) => {
  expect(restoreBundle({ session }).session).toBeNull()
})

test.each([undefined, null, 1, 'text', [], {}, { snapshot: 1, turn: {}, lsn: 'x', notice: [] }])('%j is no bundle', (data) => {
  expect(restoreBundle(data)).toEqual({ session: null, turn: null, lsn: 0, snapshot: null, widget: null, notice: null })
})
