// @vitest-environment jsdom
/** A saved chat may come from a stranger: whatever it claims, what is drawn has the shape that drawing relies on. */

import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'

import fc from 'fast-check'
import { expect, test } from 'vitest'

import { restoreBundle } from '../src/bundle'
import { restoreTranscript } from '../src/restore'
import { fold, type Transcript } from '../src/transcript'
import { toMarkdown, toText } from '../src/view'

const VECTORS = join(import.meta.dirname, '../../tests/vectors')

const transcripts = readdirSync(VECTORS)
  .filter((file) => file.endsWith('.json'))
  .map((file) => (JSON.parse(readFileSync(join(VECTORS, file), 'utf8')) as { transcript: Transcript }).transcript)

test.each(transcripts)('what the fold gives comes back as it was', (transcript) => {
  expect(restoreTranscript(JSON.parse(JSON.stringify(transcript)))).toEqual(withoutExtras(transcript))
})

/** Metadata that nobody here knows is not drawn, so it is not restored. */
function withoutExtras(transcript: Transcript): Transcript {
  return {
    ...transcript,
    messages: transcript.messages.map((message) => {
      const { k: _k, z: _z, tools: _tools, ...metadata } = message.metadata
      return { ...message, metadata }
    }),
  }
}

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
