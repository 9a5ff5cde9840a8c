/** What a person writes is sent once, in its order, whenever the server can be reached again and whatever page is there then. */

import { afterEach, beforeEach, expect, test, vi } from 'vitest'

import type { Handle } from '../../src/connection/connection'
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
  vi.useRealTimers()
  browser.close()
  await server.close()
})

/** A page that shows the session `s`, in which nothing runs. */
async function opened(): Promise<Handle> {
  if (server.lsn('s') === 0) {
    server.begin('s')
    server.end('s')
  }
  const handle = show(browser.open(server.api), 's')
  await until(() => handle.session.state === 'live')
  return handle
}

/** The server has no network, and everything it knows. */
async function cut(): Promise<void> {
  server.answer = (_, response) => {
    response.destroy()
    return true
  }
  server.endStreams()
}

function mend(): void {
  server.answer = () => false
}

/** What was said in the session after its beginning, in its order. */
const said = () => server.events('s').flatMap((event) => ('text' in event && event.text !== 'Why?' ? [event.text] : []))

test('what is written without a connection says so, and is sent when it is back', async () => {
  const { session } = await opened()
  await cut()
  session.send('one')
  session.send('two')
  await until(() => session.outbox[0]?.delayed === true)
  session.send('three')
  expect(session.outbox).toMatchObject(['one', 'two', 'three'].map((text) => ({ text, error: null, delayed: true })))
  mend()
  await until(() => session.outbox.length === 0)
  expect(said()).toEqual(['one', 'two', 'three'])
  expect(browser.kept.length).toBe(0)
})

test('a page that was closed is followed by one that sends what it has written, once and in its order', async () => {
  const first = await opened()
  await cut()
  for (const word of ['one', 'two', 'three']) first.session.send(word)
  await until(() => first.session.outbox[0]?.delayed === true)
  first.close()
  mend()
  const second = await opened()
  await until(() => said().length === 3)
  expect(said()).toEqual(['one', 'two', 'three'])
  await until(() => second.session.outbox.length === 0)
  expect(browser.kept.length).toBe(0)
})

test('a page that dies before it has heard the answer leaves no second message', async () => {
  const first = await opened()
  server.answer = (request, response) => {
    if (request.method === 'GET') return false
    response.end = () => response.destroy()
    return false
  }
  server.endStreams()
  first.session.send('once')
  await until(() => said().length === 1)
  first.close()
  mend()
  const second = await opened()
  await until(() => second.session.outbox.length === 0)
  expect(said()).toEqual(['once'])
})

test('what one tab could not send another one shows and sends, too', async () => {
  const [first, second] = [await opened(), await opened()]
  await cut()
  first.session.send('once')
  await until(() => first.session.outbox[0]?.delayed === true)
  browser.spread()
  expect(second.session.outbox).toMatchObject([{ text: 'once', delayed: true }])
  first.close()
  mend()
  await until(() => said().length === 1)
  await until(() => second.session.outbox.length === 0)
  expect(said()).toEqual(['once'])
})

test('what is discarded in one tab is sent by none', async () => {
  const [first, second] = [await opened(), await opened()]
  await cut()
  first.session.send('never')
  first.session.send('after all')
  await until(() => first.session.outbox[0]?.delayed === true)
  browser.spread()
  second.session.discard(second.session.outbox[0]?.clientId as string)
  browser.spread()
  expect(first.session.outbox).toMatchObject([{ text: 'after all' }])
  await fetch(server.api).catch(() => null) // what was on its way before that has failed by now
  mend()
  await until(() => first.session.outbox.length === 0)
  expect(said()).toEqual(['after all'])
})

test('a notebook that is closed while the server is away does not stop what was written', async () => {
  const handle = await opened()
  await cut()
  handle.session.send('one')
  await until(() => handle.session.outbox[0]?.delayed === true)
  handle.close()
  mend()
  await until(() => said().length === 1)
  const again = await opened()
  await until(() => text(again) === 'one' && again.session.outbox.length === 0)
  expect(said()).toEqual(['one'])
})

test('what waits is changed, and is one message', async () => {
  const { session } = await opened()
  await cut()
  session.send('tipo', { model: 'm' })
  await until(() => session.outbox[0]?.delayed === true)
  session.amend(session.outbox[0]?.clientId as string, 'typo')
  expect(session.outbox).toMatchObject([{ text: 'typo' }])
  const posts = () => server.requests.filter(({ method }) => method === 'POST').length
  const before = posts()
  await until(() => posts() > before + 1) // the first may be one that was under way
  mend()
  await until(() => session.outbox.length === 0)
  expect(said()).toEqual(['typo'])
  expect(browser.kept.length).toBe(0)
})

test('what had arrived before it was changed is not doubled: the change is another message, which nobody has sent yet', async () => {
  const { session } = await opened()
  server.answer = (_, response, { pathname }) => {
    if (!pathname.endsWith('/messages')) return (response.destroy(), true)
    response.end = () => response.destroy()
    return false
  }
  server.endStreams()
  session.send('tipo')
  await until(() => said().length === 1 && session.outbox[0]?.delayed === true)
  session.amend(session.outbox[0]?.clientId as string, 'typo')
  mend()
  await until(() => session.outbox[0]?.error != null)
  expect(session.outbox).toMatchObject([{ text: 'typo', edits: null, error: expect.stringContaining('arrived already') }])
  expect(session.transcript?.messages.at(-1)?.parts).toMatchObject([{ text: 'tipo' }])
  session.resend(session.outbox[0]?.clientId as string)
  await until(() => session.outbox.length === 0)
  expect(said()).toEqual(['tipo', 'typo'])
})

test('what was refused is changed and sent again', async () => {
  const { session } = await opened()
  server.answer = (request, response) => {
    if (request.method === 'GET') return false
    reply(response, 413, { message: 'It is too long.', code: 'too-large' })
    return true
  }
  session.send('long')
  await until(() => session.outbox[0]?.error !== null)
  mend()
  session.amend(session.outbox[0]?.clientId as string, 'short')
  await until(() => session.outbox.length === 0)
  expect(said()).toEqual(['short'])
})

test('what was refused is there after a reload, and is not sent by itself', async () => {
  const first = await opened()
  server.answer = (request, response) => {
    if (request.method === 'GET') return false
    reply(response, 413, { message: 'It is too long.', code: 'too-large' })
    return true
  }
  first.session.send('long')
  await until(() => first.session.outbox[0]?.error != null)
  first.close()
  mend()
  const second = await opened()
  expect(second.session.outbox).toMatchObject([{ text: 'long', error: 'It is too long.' }])
  expect(said()).toEqual([])
})

test('a hub that says that the server does not run is no refusal', async () => {
  const { session } = await opened()
  const states = [503, 424]
  server.answer = (request, response) => {
    const status = request.method === 'POST' ? states.pop() : undefined
    if (!status) return false
    response.writeHead(status, { 'Content-Type': 'text/html' })
    response.end('<h1>Your server is not running</h1>')
    return true
  }
  session.send('later')
  await until(() => session.outbox.length === 0)
  expect(said()).toEqual(['later'])
})

test('a browser that keeps nothing sends it all the same', async () => {
  browser.kept.full = true
  const { session } = await opened()
  session.keepDraft({ text: 'half', files: [] })
  expect(session.draft()).toBeNull()
  session.send('one')
  await until(() => session.outbox.length === 0)
  expect(said()).toEqual(['one'])
})

test('a draft is kept for its session, and forgotten when it is empty or old', async () => {
  const { session } = await opened()
  const other = show(browser.open(server.api), 'other').session
  session.keepDraft({ text: 'half', files: [] })
  expect(session.draft()).toEqual({ text: 'half', files: [], named: [], agent: null })
  expect(other.draft()).toBeNull()
  session.keepDraft({ text: 'x'.repeat(300_000), files: [] })
  expect(session.draft()).toBeNull()
  session.keepDraft({ text: 'half', files: [] })
  vi.useFakeTimers({ now: Date.now() + 31 * 86_400_000, toFake: ['Date'] })
  browser.open(server.api)
  expect(session.draft()).toBeNull()
  session.keepDraft({ text: 'half', files: [] })
  session.keepDraft(null)
  expect(browser.kept.length).toBe(0)
})

test('a file is stored when the server is back', async () => {
  const { session } = await opened()
  await cut()
  const uploaded = session.upload(new File(['bytes'], 'a.txt', { type: 'text/plain' }), new AbortController().signal)
  await until(() => session.state === 'offline')
  mend()
  expect(await uploaded).toMatchObject({ type: 'file', mediaType: 'text/plain' })
  await cut()
  const closing = new AbortController()
  const given = session.upload(new File(['bytes'], 'a.txt'), closing.signal)
  closing.abort()
  await expect(given).rejects.toThrow()
})
