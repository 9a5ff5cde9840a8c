/** The inbox gives what the Python fold gives, whichever events came together. */

import { readdirSync, readFileSync } from 'node:fs'

import { expect, test } from 'vitest'

import type { WireEvent } from '../src/events'
import { foldInbox, type Inbox } from '../src/inbox'

const VECTORS = new URL('../../tests/vectors/inbox/', import.meta.url)
const EMPTY: Inbox = { id: 'inbox_1', lsn: 0, notices: [], unread: 0, told: [] }

const vectors = readdirSync(VECTORS).map((file) => {
  const vector = JSON.parse(readFileSync(new URL(file, VECTORS), 'utf8')) as { events: WireEvent[]; inbox: Inbox }
  return { name: file, ...vector }
})

test('there are vectors', () => expect(vectors.length).toBeGreaterThan(2))

test.each(vectors)('$name', ({ events, inbox }) => {
  expect(foldInbox(EMPTY, events)).toEqual(inbox)
  expect(events.reduce((before, event) => foldInbox(before, [event, event]), EMPTY)).toEqual(inbox)
})
