// @vitest-environment jsdom
/** Of all pages one tells, and none of what somebody sees; the server is played here. */

import { afterEach, beforeEach, expect, test, vi } from 'vitest'

import { version } from '../package.json'
import { Attention, type Told } from '../src/attention'
import { Backoff } from '../src/connection/backoff'
import type { Attentive, Connection } from '../src/connection/connection'
import { HttpError } from '../src/connection/http'
import type { ToHub } from '../src/connection/protocol'
import type { WireEvent } from '../src/events'
import { foldInbox, type Inbox } from '../src/inbox'
import { en } from '../src/words/en'
import { late } from '../src/words/late'

let inbox: Inbox
let pages: Page[]
let closing: AbortController

interface Page {
  /** How often the inbox was read, and what the hub was told. */
  reads: () => number
  said: string[]
  join(): void
  told: (Told & { shown: boolean })[]
  /** What is said of the page itself now. */
  ofItself: Set<string>
  meet(version: string): void
  hear(events: WireEvent[]): void
  look(): void
  sees: string[]
}

beforeEach(() => {
  Object.assign(en, late)
  vi.useFakeTimers()
  document.head.innerHTML = '<title>Notebook</title>'
  hide(false)
  inbox = { id: 'inbox_1', lsn: 0, notices: [], unread: 0, told: [] }
  pages = []
  closing = new AbortController()
})

afterEach(() => {
  closing.abort()
  vi.useRealTimers()
})

function hide(hidden: boolean): void {
  Object.defineProperty(document, 'hidden', { value: hidden, configurable: true })
  document.dispatchEvent(new Event('visibilitychange'))
}

/** A page, whose connection is this. */
function open({ sees = [] as string[], shared = true, away = (): boolean => false } = {}): Page {
  let attentive: Attentive
  const told: Page['told'] = []
  let reads = 0
  const said: string[] = []
  const ask = async (url: URL, { body }: { body?: Record<string, never> }) => {
    if (url.pathname.endsWith('/inbox')) reads += 1
    if (away()) throw new HttpError(0)
    return json(serve(url.pathname, body))
  }
  const connection = {
    api: new URL('http://localhost/durable-chat/api/'),
    shared,
    attend: (who: Attentive) => (attentive = who),
    isInSight: (id: string) => !document.hidden && sees.includes(id),
    ask,
    send: ({ type }: ToHub) => void said.push(type),
    backoff: () => new Backoff(),
  } as unknown as Connection
  const tell = async (notice: Told) => {
    const shown = { ...notice, shown: true }
    told.push(shown)
    return () => void (shown.shown = false)
  }
  const ofItself = new Set<string>()
  const say = async (message: string) => {
    ofItself.add(message)
    return () => void ofItself.delete(message)
  }
  new Attention(connection, { open: () => undefined, tell, say }, closing.signal)
  const hear = (events: WireEvent[]) => attentive.hear({ type: 'events', session: inbox.id, events })
  const meet = (version: string) => attentive.hear({ type: 'version', session: inbox.id, version })
  const page = { told, ofItself, hear, meet, look: () => attentive.look(), join: () => attentive.join(), sees, said, reads: () => reads }
  pages.push(page)
  return page
}

function json(value: unknown): Response {
  return new Response(JSON.stringify(value))
}

function serve(path: string, body: Record<string, never> = {}): unknown {
  if (path.endsWith('/read')) say({ type: 'session-read', turn: null, session_id: body['session'], session_lsn: body['lsn'] })
  if (!path.endsWith('/claim')) return inbox
  const notice = inbox.notices.find(({ turn, kind }) => turn === body['turn'] && kind === body['kind'])
  const claimed = notice !== undefined && !notice.read && notice.claimed === null
  if (claimed) say({ type: 'notice-claimed', turn: body['turn'], kind: body['kind'], by: body['by'] })
  return { claimed }
}

/** Something comes into the inbox, and every page hears it. */
function say(event: Record<string, unknown>): void {
  const numbered = { lsn: inbox.lsn + 1, at: '2026-11-20T20:15:00.000Z', ...event } as unknown as WireEvent
  inbox = foldInbox(inbox, [numbered])
  for (const page of pages) page.hear([numbered])
}

const noticed = (turn: string, more = {}) => say({ type: 'turn-noticed', turn, kind: 'done', session_id: 's_1', session_lsn: 9, title: 'Primes', ...more })
const settle = () => vi.advanceTimersByTimeAsync(5000)
const shown = () => pages.flatMap(({ told }) => told.filter(({ shown }) => shown).map(({ kind, message }) => `${kind}: ${message}`))

test('of three pages one shows it, until it is read anywhere', async () => {
  for (let n = 0; n < 3; n++) open()
  await settle()
  noticed('t_1', { text: 'Two, three, five.' })
  await settle()
  expect(shown()).toEqual(['done: Primes: the answer is there\nTwo, three, five.'])
  say({ type: 'session-read', turn: null, session_id: 's_1', session_lsn: 9 })
  expect(shown()).toEqual([])
})

test('a page that has it in sight reads it, and nobody shows it', async () => {
  open()
  open({ sees: ['s_1'] })
  await settle()
  noticed('t_1')
  await settle()
  expect(pages.flatMap(({ told }) => told)).toEqual([])
  expect(inbox.unread).toBe(0)
})

test('what comes into sight later is read then', async () => {
  const page = open()
  await settle()
  noticed('t_1', { kind: 'failed', text: 'The key was refused.' })
  await settle()
  expect(shown()).toEqual(['failed: Primes: the answer failed\nThe key was refused.'])
  page.sees.push('s_1')
  page.look()
  await settle()
  expect([shown(), inbox.unread]).toEqual([[], 0])
})

test.each([
  ['ask_user', 'waiting: Primes: a question for you'],
  ['propose_plan', 'waiting: Primes: a plan for you to decide on'],
  ['plot', 'waiting: Primes: plot waits for your approval'],
])('what waits says for what: %s', async (tool, message) => {
  open()
  await settle()
  noticed('t_1', { kind: 'waiting', wait: undefined, tool })
  await settle()
  expect(shown()).toEqual([message])
  say({ type: 'notice-withdrawn', turn: 't_1' })
  expect(shown()).toEqual([])
})

test('a muted session is told by nobody', async () => {
  open()
  await settle()
  noticed('t_1', { quiet: true })
  await settle()
  expect(pages.flatMap(({ told }) => told)).toEqual([])
})

test('what was unread before the page was opened is told by it, once', async () => {
  noticed('t_1')
  for (let n = 0; n < 2; n++) open()
  await settle()
  expect(shown()).toHaveLength(1)
  open()
  await settle()
  expect(shown()).toHaveLength(1)
})

test('what came in a night is told together, once, and taken back when all of it is read', async () => {
  for (let n = 1; n <= 5; n++) noticed(`t_${n}`, { session_id: `s_${n}`, kind: n === 2 ? 'failed' : 'done' })
  for (let n = 0; n < 2; n++) open()
  await settle()
  expect(shown()).toEqual(['failed: 5 chats have something new for you'])
  expect(pages.flatMap(({ told }) => told).map(({ session }) => session)).toEqual([null])
  const read = (n: number) => say({ type: 'session-read', turn: null, session_id: `s_${n}`, session_lsn: 9 })
  for (let n = 1; n <= 4; n++) read(n)
  expect(shown()).toHaveLength(1)
  noticed('t_6', { session_id: 's_6' })
  await settle()
  expect(shown()).toEqual(['failed: 5 chats have something new for you', 'done: Primes: the answer is there'])
  read(5)
  expect(shown()).toEqual(['done: Primes: the answer is there'])
})

test('many of one chat are told as the newest of it', async () => {
  for (let n = 1; n <= 4; n++) noticed(`t_${n}`, { text: `answer ${n}` })
  noticed('t_5', { session_id: 's_2', kind: 'failed' })
  open()
  await settle()
  expect(shown()).toEqual(['done: Primes: the answer is there\nanswer 4', 'failed: Primes: the answer failed'])
})

test('three are told one by one', async () => {
  for (let n = 1; n <= 3; n++) noticed(`t_${n}`, { session_id: `s_${n}` })
  open()
  await settle()
  expect(shown()).toHaveLength(3)
})

test('a hidden page has the number in front of its title, and keeps what the application calls it', async () => {
  open()
  await settle()
  hide(true)
  noticed('t_1')
  noticed('t_2', { session_id: 's_2' })
  expect(document.title).toBe('(2) Notebook')
  document.title = '(3) of my notebooks'
  await settle()
  expect(document.title).toBe('(2) (3) of my notebooks')
  hide(false)
  expect(document.title).toBe('(3) of my notebooks')
})

test('a server that is away is asked by one loop, however many want to know, and by none when it is over', async () => {
  let away = true
  const page = open({ away: () => away })
  for (let n = 0; n < 5; n++) page.join()
  await vi.advanceTimersByTimeAsync(0)
  expect(page.reads()).toBe(1)
  away = false
  await vi.advanceTimersByTimeAsync(60_000)
  expect([page.reads(), page.said]).toEqual([2, ['follow']])
  away = true
  page.join()
  await vi.advanceTimersByTimeAsync(0)
  closing.abort()
  await vi.advanceTimersByTimeAsync(60_000)
  expect(vi.getTimerCount()).toBe(0)
  expect([page.reads(), page.said]).toEqual([3, ['follow']])
})

test('a stream of its own is not begun for a page that was hidden meanwhile, and is when it is seen', async () => {
  const page = open({ shared: false })
  hide(true)
  await settle()
  expect([page.reads(), page.said]).toEqual([1, []])
  hide(false)
  await settle()
  expect(page.said).toEqual(['follow'])
})

test('a page that is of another version than its server says which of the two is older, until they are the same', async () => {
  const page = open()
  await settle()
  const said = async (server: string) => {
    page.meet(server)
    await settle()
    return [...page.ofItself]
  }
  expect(await said(version)).toEqual([])
  expect(await said('999.0.0')).toEqual([late.pageIsOlder(version, '999.0.0')])
  expect(await said('999.0.0')).toEqual([late.pageIsOlder(version, '999.0.0')])
  expect(await said('0.0.9')).toEqual([late.serverIsOlder(version, '0.0.9')])
  expect(await said(version)).toEqual([])
})
