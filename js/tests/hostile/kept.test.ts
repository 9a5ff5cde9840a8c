// @vitest-environment jsdom
/** What the browser kept is read as what anybody may have written there: it is sent to its session, or not at all. */

import { afterEach, expect, test } from 'vitest'
import { keepDraft, keptDraft } from '../../src/connection/drafts'
import { Outbox, type Written } from '../../src/connection/outbox'
import { keep } from '../../src/storage'

const SESSION = 'http://a.example/durable-chat/api/sessions/s_1'

const written: Written = {
  clientId: 'c_1',
  text: 'text',
  parts: [{ type: 'file', mediaType: 'text/plain', url: 'attachment:a', filename: 'a.txt' }],
  error: null,
  edits: null,
  place: 1,
  command: { method: 'POST', path: '/messages', body: { client_id: 'c_1', text: 'text' } },
}

afterEach(() => localStorage.clear())

function read(other: object): Written | null {
  keep(`outbox:${SESSION}#c_1`, { ...written, ...other })
  return new Outbox(SESSION).find('c_1')
}

test('what was written comes back as it was', () => {
  expect(read({})).toEqual(written)
  for (const path of ['/retry', '/queue/m_1']) expect(read({ command: { method: 'PATCH', path } })?.command.path).toBe(path)
})

test.each(['', '/', '/../../../api/shutdown', '/messages/../../s_2/messages', '//evil.example', '/queue/..', '/queue/%2e%2e', '/queue/a/../b', '/messages?x', '/stop', 1, null])(
  'nothing is sent to %j',
  (path) => expect(read({ command: { method: 'POST', path } })).toBeNull(),
)

test.each([{ command: null }, { command: { method: 'DELETE', path: '/messages' } }, { text: {} }, { clientId: 1 }, { place: 'x' }])('%j is no message', (other) => {
  expect(read(other)).toBeNull()
})

test('parts that are none are left out', () => {
  expect(read({ parts: [null, { type: 'file', url: {} }, 'x', ...written.parts!] })?.parts).toEqual(written.parts)
  keepDraft(SESSION, { text: 'draft', files: [null, { part: null }, { part: written.parts![0], size: 1 }, { part: { type: 'text', text: 'x' }, size: 1 }] } as never)
  expect(keptDraft(SESSION)?.files).toEqual([{ part: written.parts![0], size: 1 }])
})
