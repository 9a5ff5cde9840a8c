/** The list follows the server's, reads little of it, and never shows what is not so; the server is played here. */

import { afterEach, beforeEach, expect, test, vi } from 'vitest'

import { Backoff } from '../../src/connection/backoff'
import type { Connection, Lister } from '../../src/connection/connection'
import { HttpError } from '../../src/connection/http'
import { type Listed, PAGE, SessionList } from '../../src/sessions/list'

let stored: Listed[]
let asked: string[]
let away: boolean
let lister: Lister | null
let list: SessionList
let clock: number

beforeEach(() => {
  vi.useFakeTimers()
  stored = []
  asked = []
  away = false
  lister = null
  clock = 0
  const connection = {
    api: new URL('http://localhost/durable-chat/api/'),
    state: { state: 'live', text: null },
    ask: async (url: URL, { method = 'GET', body }: { method?: string; body?: object }) => serve(method, url, body),
    list: (one: Lister) => (lister = one),
    ignore: () => (lister = null),
    retry: () => undefined,
    backoff: () => new Backoff(),
  } as unknown as Connection
  list = new SessionList(connection, () => undefined, new AbortController().signal)
})

afterEach(() => vi.useRealTimers())

function serve(method: string, url: URL, body?: object): Response {
  const [, path = '', query] = /api\/([^?]+)\??(.*)$/.exec(url.href) ?? []
  asked.push(`${method} ${query || path}`)
  if (away) throw new HttpError(0, 'The server cannot be reached.')
  const id = path.split('/')[1]
  if (method === 'POST') return json(use('s_new'))
  if (method === 'PATCH') return json(use(String(id), body))
  if (method === 'DELETE') {
    const gone = !stored.some((row) => row.id === id)
    stored = stored.filter((row) => row.id !== id)
    if (gone) throw new HttpError(404)
    return new Response(null, { status: 204 })
  }
  const { limit = '100', q = '', before = '' } = Object.fromEntries(url.searchParams)
  const from = stored.findIndex((row) => row.id === before) + 1
  const sessions = stored.slice(from).filter(({ preview }) => preview.includes(q)).slice(0, Number(limit))
  return json({ sessions, before: sessions.length === Number(limit) ? sessions.at(-1)?.id : null })
}

function json(value: unknown): Response {
  return new Response(JSON.stringify(value))
}

/** A session is used: it is the first then. */
function use(id: string, more: Partial<Listed> = {}): Listed {
  const at = new Date(++clock * 1000).toISOString()
  const before: Listed = { id, title: id, notebook: null, state: 'idle', unread: false, preview: '', messages: 0, updated_at: at }
  const row = { ...before, ...stored.find((row) => row.id === id), ...more, updated_at: at }
  stored = [row, ...stored.filter((row) => row.id !== id)]
  return row
}

const settle = () => vi.advanceTimersByTimeAsync(5000)
const ids = () => list.rows.map(({ id }) => id)

/** So many sessions, of which the last is the first in the list. */
async function open(count: number): Promise<void> {
  for (let n = 1; n <= count; n++) use(`s_${n}`)
  list.see(true)
  await settle()
  asked = []
}

test('is read as far as one looks', async () => {
  await open(250)
  expect([ids().length, list.more]).toEqual([PAGE, true])
  await list.extend()
  await list.extend()
  await list.extend()
  expect(ids()).toEqual(stored.map(({ id }) => id))
  expect(list.more).toBe(false)
  expect(asked).toEqual(['GET limit=100&before=s_151', 'GET limit=100&before=s_51'])
})

test('nothing is read for nobody, and a look reads it all again', async () => {
  await open(3)
  list.see(false)
  expect(lister).toBeNull()
  use('s_1')
  await settle()
  expect(asked).toEqual([])
  list.see(true)
  await settle()
  expect(ids()).toEqual(['s_1', 's_3', 's_2'])
})

test('what is read again and is as it was is the same object, so that it is not drawn again', async () => {
  await open(3)
  const before = list.rows
  use('s_2', { state: 'streaming' })
  lister?.listed(null)
  await settle()
  expect(ids()).toEqual(['s_2', 's_3', 's_1'])
  expect(list.rows.map((row) => before.includes(row))).toEqual([false, true, true])
})

test('of what has changed it reads no more than it has to', async () => {
  await open(150)
  use('s_148', { state: 'streaming' })
  lister?.listed(['s_148'])
  await settle()
  expect(asked).toEqual(['GET limit=3'])
  expect(ids().slice(0, 4)).toEqual(['s_148', 's_150', 's_149', 's_147'])
  expect(list.rows[0]?.state).toBe('streaming')
  use('s_new')
  lister?.listed(['s_new'])
  await settle()
  expect(asked.at(-1)).toBe('GET limit=1')
  expect(ids()[0]).toBe('s_new')
  expect(new Set(ids()).size).toBe(ids().length)
})

test('one that changes where it stands stays there', async () => {
  await open(150)
  stored = stored.map((row) => (row.id === 's_140' ? { ...row, title: 'Peas' } : row))
  lister?.listed(['s_140'])
  await settle()
  expect(list.rows[10]?.title).toBe('Peas')
  expect(ids()).toEqual(stored.slice(0, PAGE).map(({ id }) => id))
})

test('what is deleted is gone, here and elsewhere', async () => {
  await open(150)
  stored = stored.filter(({ id }) => id !== 's_149')
  lister?.listed(['s_149'])
  await settle()
  await list.delete('s_147')
  await list.delete('s_147')
  await settle()
  expect(ids().slice(0, 3)).toEqual(['s_150', 's_148', 's_146'])
})

test('what changes again and again is read once a second', async () => {
  await open(3)
  for (let n = 0; n < 100; n++) {
    lister?.listed(['s_3'])
    await vi.advanceTimersByTimeAsync(50)
  }
  expect(asked.length).toBeLessThanOrEqual(6)
})

test('a search has messages, titles and notebooks in it', async () => {
  use('s_a', { preview: 'green peas' })
  use('s_b', { title: 'Peas and beans' })
  use('s_c', { notebook: 'peas.ipynb' })
  use('s_d')
  await open(0)
  list.search(' peas ')
  await settle()
  expect(ids()).toEqual(['s_c', 's_b', 's_a'])
  expect(asked).toContain('GET limit=100&q=peas')
  list.search('')
  expect(ids()).toHaveLength(4)
  list.search('nothing at all')
  expect([ids(), list.phase]).toEqual([[], 'coming'])
  await settle()
  expect([ids(), list.phase]).toEqual([[], 'there'])
})

test('without a server it keeps what it had, says why, and comes back by itself', async () => {
  await open(2)
  away = true
  lister?.listed(null)
  await settle()
  expect([ids(), list.phase, list.offline]).toEqual([['s_2', 's_1'], 'failed', 'The server cannot be reached.'])
  use('s_1')
  away = false
  await vi.advanceTimersByTimeAsync(60_000)
  expect([ids(), list.phase, list.offline]).toEqual([['s_1', 's_2'], 'there', null])
})

test('renamed and muted is what the server says', async () => {
  await open(2)
  await list.change('s_1', { title: 'Peas' })
  await list.change('s_1', { muted: true })
  await settle()
  expect(list.find('s_1')).toMatchObject({ title: 'Peas', muted: true })
  expect(await list.create()).toBe('s_new')
  await settle()
  expect(ids()).toEqual(['s_new', 's_1', 's_2'])
})
