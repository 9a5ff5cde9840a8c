/** What a page has of a session is the log's, once and whole; what a person asks for is done once or said not to be. */

import { afterEach, beforeEach, expect, test } from 'vitest'

import type { Handle } from '../../src/connection/connection'
import { emptyTranscript, fold } from '../../src/transcript'
import { Browser, show, text } from './page'
import { ChatServer, reply } from './server'
import { until } from './until'

let server: ChatServer
let browser: Browser

beforeEach(async () => {
  server = await ChatServer.start()
  browser = new Browser()
})

afterEach(async () => {
  browser.close()
  await server.close()
})

function isTrue({ session }: Handle): void {
  expect(session.transcript).toEqual(fold(emptyTranscript(), server.events(session.id)))
  expect(session.gaps).toBe(0)
}

test('reads the transcript, then follows it', async () => {
  server.begin('s')
  server.say('s', 'one ')
  const handle = show(browser.open(server.api), 's')
  expect(handle.session.state).toBe('connecting')
  await until(() => handle.session.state === 'live')
  server.say('s', 'two ', 'three')
  server.end('s')
  await until(() => !handle.session.running)
  isTrue(handle)
  expect(text(handle)).toBe('one two three')
  expect(server.requests.map(({ path, query }) => [path, query.getAll('after')])).toEqual([
    ['/sessions/s', []],
    ['/events', ['s:5']],
  ])
  expect(server.requests.map(({ xsrf }) => xsrf)).toEqual(['2|ab|12', '2|ab|12'])
})

test('cells of one session share it, cells of a page share its stream, pages of a browser share that', async () => {
  const names = ['a', 'b', 'c', 'd']
  names.forEach((name) => server.begin(name))
  const pages = Array.from({ length: 10 }, () => browser.open(server.api))
  const cells = pages.flatMap((page) => [...names, 'a'].map((name) => show(page, name)))
  await until(() => cells.every(({ session }) => session.state === 'live'))
  for (let i = 0; i < 100; i++) for (const name of names) server.say(name, `${i} `)
  for (const name of names) server.end(name)
  await until(() => cells.every(({ session }) => !session.running))
  cells.forEach(isTrue)
  expect(server.readers.size).toBe(1)
})

test('a page that joins in the middle of a quick answer has all of it, once', async () => {
  server.begin('s')
  const first = show(browser.open(server.api), 's')
  await until(() => first.session.state === 'live')
  const late: Handle[] = []
  for (let i = 0; i < 200; i++) {
    server.say('s', `${i} `)
    if (i % 10 === 0) late.push(show(browser.open(server.api), 's'))
    await new Promise((resolve) => setImmediate(resolve))
  }
  server.end('s')
  await until(() => late.every(({ session }) => session.transcript?.status === 'idle'))
  late.forEach(isTrue)
})

test.each(['fails', null] as const)('without a shared worker (%s) the page reads for itself', async (worker) => {
  browser.worker = worker
  server.begin('s')
  const handle = show(browser.open(server.api), 's')
  await until(() => handle.session.state === 'live')
  server.say('s', 'one ')
  await until(() => text(handle) === 'one ')
  browser.hide(true)
  await until(() => server.readers.size === 0)
  expect(handle.session.state).toBe('idle')
  server.say('s', 'two')
  browser.hide(false)
  await until(() => text(handle) === 'one two')
  isTrue(handle)
})

test('a page in the back-forward cache follows nothing, and all of it again when it comes back', async () => {
  server.begin('s')
  const handle = show(browser.open(server.api), 's')
  await until(() => handle.session.state === 'live')
  browser.leave()
  await until(() => server.readers.size === 0)
  server.say('s', 'meanwhile')
  browser.comeBack()
  await until(() => text(handle) === 'meanwhile')
  isTrue(handle)
})

test('a worker that died is replaced', async () => {
  server.begin('s')
  const handle = show(browser.open(server.api, 50), 's')
  await until(() => handle.session.state === 'live')
  browser.killWorker()
  server.say('s', 'unheard')
  await until(() => text(handle) === 'unheard')
  server.say('s', ' and heard')
  await until(() => text(handle) === 'unheard and heard')
  isTrue(handle)
})

test('a hidden page follows while a turn runs, and no longer', async () => {
  server.begin('s')
  const handle = show(browser.open(server.api), 's')
  await until(() => handle.session.state === 'live')
  browser.hide(true)
  handle.see(false)
  server.say('s', 'all of it')
  await until(() => text(handle) === 'all of it')
  server.end('s')
  await until(() => server.readers.size === 0)
  expect(handle.session.state).toBe('idle')
  isTrue(handle)
})

test('nothing in sight and nothing running: no stream; in sight again: what was missed', async () => {
  server.begin('s')
  server.end('s')
  const page = browser.open(server.api)
  const handle = page.open('s', () => undefined)
  await until(() => handle.session.state === 'idle')
  expect(server.streams).toBe(0)
  handle.see(true)
  await until(() => handle.session.state === 'live')
  handle.see(false)
  await until(() => server.readers.size === 0)
  server.append('s', { type: 'session-updated', title: 'new' })
  const other = show(browser.open(server.api), 's')
  await until(() => other.session.state === 'live')
  handle.see(true)
  await until(() => handle.session.transcript?.title === 'new')
  isTrue(handle)
})

test('a session that nobody looks at any more is let go', async () => {
  server.begin('s')
  const page = browser.open(server.api)
  const [one, two] = [show(page, 's'), show(page, 's')]
  await until(() => one.session.state === 'live')
  one.close()
  server.say('s', 'still')
  await until(() => text(two) === 'still')
  two.close()
  await until(() => server.readers.size === 0)
})

test('missing events are read again and counted', async () => {
  let skipped = false
  server.spoil = (frames) => {
    if (skipped || frames.length === 0) return frames
    skipped = true
    return frames.slice(1)
  }
  server.begin('s')
  const handle = show(browser.open(server.api), 's')
  await until(() => handle.session.state === 'live')
  server.say('s', 'one ', 'two')
  await until(() => text(handle) === 'one two')
  server.say('s', ' three')
  await until(() => text(handle) === 'one two three')
  expect(handle.session.gaps).toBe(1)
})

test('a log that ends before what the page has is read again', async () => {
  server.begin('s')
  server.say('s', 'to be taken back')
  const handle = show(browser.open(server.api), 's')
  await until(() => handle.session.state === 'live')
  const { port } = server
  await server.close()
  server = await ChatServer.start(port)
  server.begin('s')
  await until(() => handle.session.transcript?.lsn === 4)
  isTrue(handle)
})

test('a server that goes and comes back', async () => {
  server.begin('s')
  const handle = show(browser.open(server.api), 's')
  await until(() => handle.session.state === 'live')
  const { port } = server
  await server.close()
  await until(() => handle.session.state === 'offline')
  expect(handle.session.notice).toBe('The server cannot be reached.')
  server = await ChatServer.start(port)
  server.begin('s')
  server.say('s', 'there')
  await until(() => text(handle) === 'there' && handle.session.state === 'live')
  expect(handle.session.notice).toBeNull()
  isTrue(handle)
})

test('a session that never was, and one that was deleted', async () => {
  const page = browser.open(server.api)
  const never = show(page, 'never')
  await until(() => never.session.state === 'gone')
  expect(never.session.notice).toBe("There is no session 'never'.")
  server.begin('s')
  const handle = show(page, 's')
  await until(() => handle.session.state === 'live')
  server.delete('s')
  await until(() => handle.session.state === 'gone')
  expect(handle.session.transcript?.lsn).toBe(4)
})

test('a server without durable chat is not a session that is gone', async () => {
  server.answer = (_, response) => {
    response.writeHead(404, { 'Content-Type': 'text/html' })
    response.end('<h1>404</h1>')
    return true
  }
  const handle = show(browser.open(server.api), 's')
  await until(() => handle.session.state === 'offline')
  expect(handle.session.notice).toContain('no durable chat')
  server.answer = () => false
  server.begin('s')
  await until(() => handle.session.state === 'live')
})

test('who is not logged in is told, after one more try', async () => {
  server.answer = (_, response) => {
    reply(response, 403, { message: 'Forbidden', code: 'forbidden' })
    return true
  }
  server.begin('s')
  const handle = show(browser.open(server.api), 's')
  await until(() => handle.session.state === 'offline')
  expect(handle.session.notice).toContain('log in')
  expect(server.requests.length).toBeGreaterThanOrEqual(2)
})

test('a message is in the outbox until the transcript has it', async () => {
  server.begin('s')
  server.end('s')
  const handle = show(browser.open(server.api), 's')
  await until(() => handle.session.state === 'live')
  handle.session.send('hello')
  expect(handle.session.outbox).toMatchObject([{ text: 'hello', error: null }])
  await until(() => handle.session.outbox.length === 0)
  expect(text(handle)).toBe('hello')
})

test('a message whose answer got lost is sent again and is one message', async () => {
  server.begin('s')
  server.end('s')
  const handle = show(browser.open(server.api), 's')
  await until(() => handle.session.state === 'live')
  let cut = true
  server.answer = (request, response) => {
    if (request.method !== 'POST' || !cut) return false
    cut = false
    response.destroy()
    return true
  }
  handle.session.send('once')
  await until(() => handle.session.outbox.length === 0)
  expect(server.requests.filter(({ method }) => method === 'POST')).toHaveLength(2)
  expect(server.events('s').filter((event) => 'text' in event && event.text === 'once')).toHaveLength(1)
})

test('a message sent while the server is away is sent when it is back', async () => {
  server.begin('s')
  server.end('s')
  const handle = show(browser.open(server.api), 's')
  await until(() => handle.session.state === 'live')
  const { port } = server
  await server.close()
  handle.session.send('later')
  await until(() => handle.session.state === 'offline')
  expect(handle.session.outbox).toMatchObject([{ text: 'later', error: null }])
  server = await ChatServer.start(port)
  server.begin('s')
  server.end('s')
  await until(() => text(handle) === 'later')
  expect(handle.session.outbox).toEqual([])
})

test('a message that is refused stays, with the reason, until it is sent again or discarded', async () => {
  server.begin('s')
  const handle = show(browser.open(server.api), 's')
  await until(() => handle.session.state === 'live')
  server.answer = (request, response) => {
    if (request.method !== 'POST') return false
    reply(response, 409, { message: 'A turn is running.', code: 'turn-running' })
    return true
  }
  handle.session.send('no')
  handle.session.send('yes')
  await until(() => handle.session.outbox.every(({ error }) => error === 'A turn is running.'))
  const [no, yes] = handle.session.outbox.map(({ clientId }) => clientId) as [string, string]
  server.answer = () => false
  handle.session.discard(no)
  handle.session.resend(yes)
  await until(() => text(handle) === 'yes')
  expect(handle.session.outbox).toEqual([])
})

test('stop stops the turn that was seen', async () => {
  server.begin('s')
  const handle = show(browser.open(server.api), 's')
  await until(() => handle.session.state === 'live')
  handle.session.stop()
  await until(() => handle.session.transcript?.messages.at(-1)?.metadata.outcome === 'stopped')
})
