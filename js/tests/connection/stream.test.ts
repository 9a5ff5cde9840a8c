/** Whatever the network does, each session's events arrive once and in order, or it is said that they did not. */

import { afterEach, beforeEach, expect, test } from 'vitest'

import { Backoff } from '../../src/connection/backoff'
import { Stream, type StreamOptions, type Told } from '../../src/connection/stream'
import { ChatServer, frame, MAX_FOLLOWED, reply } from './server'
import { range, until } from './until'

let server: ChatServer
const streams: Stream[] = []

beforeEach(async () => {
  server = await ChatServer.start()
})

afterEach(async () => {
  for (const stream of streams.splice(0)) stream.close()
  await server.close()
})

/** A stream with all that it told. */
function open(options: Partial<StreamOptions> = {}) {
  const told: Told[] = []
  const stream = new Stream({
    api: server.api,
    xsrf: () => Promise.resolve('token'),
    tell: (message) => told.push(message),
    backoff: new Backoff(1, 5),
    ...options,
  })
  streams.push(stream)
  const events = (session: string) =>
    told.flatMap((message) => (message.type === 'events' && message.session === session ? message.events : []))
  const lsns = (session: string) => events(session).map(({ lsn }) => lsn)
  const of = <T extends Told['type']>(type: T) =>
    told.filter((message): message is Extract<Told, { type: T }> => message.type === type)
  return { stream, told, events, lsns, of }
}

test('what is there, then what comes', async () => {
  server.begin('s')
  const { stream, lsns, events } = open()
  stream.follow('s', 2)
  await until(() => lsns('s').length === 2)
  server.say('s', 'a', 'b')
  await until(() => lsns('s').length === 4)
  expect(events('s')).toEqual(server.events('s').slice(2))
  expect(stream.position('s')).toBe(6)
  expect(server.requests.map(({ xsrf }) => xsrf)).toEqual(['token'])
})

test('sessions that come together are one request; one that comes later disturbs nobody', async () => {
  for (const session of ['a', 'b', 'c']) server.begin(session)
  const { stream, lsns, told } = open()
  stream.follow('a', 0)
  stream.follow('b', 3)
  await until(() => lsns('a').length === 4 && lsns('b').length === 1)
  expect(server.streams).toBe(1)
  stream.follow('c', 0)
  for (let i = 0; i < 50; i++) server.say('a', String(i))
  await until(() => lsns('c').length === 4)
  for (let i = 0; i < 50; i++) server.say('a', String(i))
  await until(() => lsns('a').length === 104)
  expect(lsns('a')).toEqual(range(1, 104))
  expect(told.filter(({ type }) => type === 'state')).toEqual([{ type: 'state', state: 'live', text: null }])
})

test('failure 13: a stream cut after any byte is gone on with from the last whole event', { timeout: 60_000 }, async () => {
  const fill = (session: string) => {
    server.begin(session)
    server.say(session, 'zwölf', '→ ✓ 🤔', '\n\ndata: {}\n\n')
    server.end(session)
  }
  fill('s_000')
  const whole = ['retry: 1\n\n', frame('hello', { version: 'test', sessions: ['s_000'] })]
    .concat(server.events('s_000').map((event) => frame('', { session: 's_000', ...event })))
    .join('')
  server.cutAfter = ({ positions, attempt }) => (attempt === 1 ? Number([...positions.keys()][0]?.slice(2)) : Infinity)
  const cutAfter = async (bytes: number) => {
    const session = `s_${String(bytes).padStart(3, '0')}`
    if (bytes > 0) fill(session)
    const { stream, lsns, of } = open()
    stream.follow(session, 0)
    await until(() => lsns(session).length >= 8)
    expect(lsns(session), `cut after ${bytes} bytes`).toEqual(range(1, 8))
    expect(of('lost')).toEqual([])
    stream.close()
  }
  const cuts = range(0, Buffer.byteLength(whole))
  while (cuts.length > 0) await Promise.all(cuts.splice(0, 50).map(cutAfter))
})

test('duplicates are dropped', async () => {
  server.spoil = (frames) => frames.flatMap((frame) => [frame, frame]).concat(frames)
  server.begin('s')
  const { stream, lsns, of } = open()
  stream.follow('s', 0)
  await until(() => lsns('s').length >= 4)
  server.say('s', 'a')
  await until(() => lsns('s').length >= 5)
  expect(lsns('s')).toEqual(range(1, 5))
  expect(of('lost')).toEqual([])
})

test.each([
  ['in the middle', (frames: string[]) => frames.filter((_, index) => index !== 2), [1, 2]],
  ['at the end', (frames: string[]) => frames.slice(0, -1), [1, 2, 3]],
  ['by a change of order', (frames: string[]) => frames.toReversed(), []],
])('a hole %s is never delivered over', async (_, spoil, delivered) => {
  server.spoil = spoil
  server.begin('s')
  server.begin('other')
  const { stream, lsns, of } = open()
  stream.follow('s', 0)
  stream.follow('other', 4)
  await until(() => of('lost').length > 0)
  expect(of('lost')).toEqual([{ type: 'lost', session: 's', reason: 'gap' }])
  expect(lsns('s')).toEqual(delivered)
  expect(stream.position('s')).toBeUndefined()
  server.spoil = (frames) => frames
  stream.follow('s', delivered.length)
  server.say('other', 'a')
  await until(() => lsns('s').length === 4 && lsns('other').length === 1)
  expect(lsns('s')).toEqual([1, 2, 3, 4])
})

test('a session that is gone, or ends before the position, is told of; the others go on', async () => {
  server.begin('s')
  server.begin('short')
  const { stream, lsns, of } = open()
  stream.follow('s', 4)
  stream.follow('never', 7)
  stream.follow('short', 99)
  await until(() => of('gone').length === 1 && of('lost').length === 1)
  expect(of('gone')).toEqual([{ type: 'gone', session: 'never', text: "There is no session 'never'." }])
  expect(of('lost')).toEqual([{ type: 'lost', session: 'short', reason: 'ahead' }])
  server.say('s', 'a')
  await until(() => lsns('s').length === 1)
  server.delete('s')
  await until(() => of('gone').length === 2)
  await until(() => server.readers.size === 0)
})

test('a guest whose link holds no more is told, and asks no more', async () => {
  let asked = 0
  const refusal = { message: 'This link opens nothing.', code: 'unknown-session' }
  const fetch = () => Promise.resolve(new Response(JSON.stringify(refusal), { status: 404 }))
  const { stream, of } = open({ fetch: () => (asked++, fetch()) })
  stream.follow('s', 4)
  await until(() => of('gone').length === 1)
  expect(of('gone')).toEqual([{ type: 'gone', session: 's', text: refusal.message }])
  expect([stream.position('s'), asked]).toEqual([undefined, 1])
})

test('a stream that the server ends is asked for again', async () => {
  server.begin('s')
  const { stream, lsns, of } = open()
  stream.follow('s', 0)
  await until(() => lsns('s').length === 4)
  server.endStreams()
  server.say('s', 'a')
  await until(() => lsns('s').length === 5)
  expect(server.streams).toBe(2)
  expect(of('state').map(({ state }) => state)).toEqual(['live'])
})

test('nobody is told of a stream that is cut, unless the next one does not come soon', async () => {
  server.begin('s')
  const { stream, lsns, of } = open()
  stream.follow('s', 0)
  await until(() => lsns('s').length === 4)
  for (let n = 5; n < 10; n++) {
    for (const { response } of server.readers) response.destroy()
    server.readers.clear()
    server.say('s', `${n}`)
    await until(() => lsns('s').length === n)
  }
  expect(of('state').map(({ state }) => state)).toEqual(['live'])
  server.answer = () => true // and says nothing
  for (const { response } of server.readers) response.destroy()
  await until(() => of('state').length === 2)
  expect(of('state').map(({ state }) => state)).toEqual(['live', 'connecting'])
})

test('a server that restarts is found again', async () => {
  server.begin('s')
  const { stream, lsns, of } = open()
  stream.follow('s', 0)
  await until(() => lsns('s').length === 4)
  const { port } = server
  await server.close()
  await until(() => of('state').at(-1)?.state === 'offline')
  server = await ChatServer.start(port)
  server.begin('s')
  server.say('s', 'a')
  await until(() => lsns('s').length === 5)
  expect(of('state').at(-1)).toEqual({ type: 'state', state: 'live', text: null })
})

test("failure 25: a refusal is shown in the server's words, and tried again", async () => {
  server.begin('s')
  let refusals = 3
  server.answer = (_, response) => {
    if (refusals-- <= 0) return false
    reply(response, 503, { message: 'The store cannot be opened.', code: 'store-unavailable' })
    return true
  }
  const { stream, lsns, of } = open()
  stream.follow('s', 0)
  await until(() => lsns('s').length === 4)
  expect(of('state')).toEqual([
    { type: 'state', state: 'offline', status: 503, text: 'The store cannot be opened.' },
    { type: 'state', state: 'live', text: null },
  ])
  expect(server.streams).toBe(4)
})

test('a token that was renewed is taken at once', async () => {
  server.begin('s')
  server.answer = (request, response) => {
    if (request.headers['x-xsrftoken'] === 'new') return false
    reply(response, 403, { message: 'XSRF', code: 'forbidden' })
    return true
  }
  const tokens = ['old', 'new']
  const { stream, lsns, of } = open({ xsrf: () => Promise.resolve(tokens.shift() ?? 'none') })
  stream.follow('s', 0)
  await until(() => lsns('s').length === 4)
  expect(of('state').map(({ state }) => state)).toEqual(['live'])
})

test('a login page instead of a stream asks for a login', async () => {
  server.begin('s')
  server.answer = (_, response) => {
    response.writeHead(200, { 'Content-Type': 'text/html' })
    response.end('<form>password</form>')
    return true
  }
  const { stream, of } = open()
  stream.follow('s', 0)
  await until(() => of('state').length > 0)
  expect(of('state')[0]).toMatchObject({ state: 'offline', status: 401, text: '' })
})

test('a connection that falls silent is replaced', async () => {
  server.begin('s')
  server.answer = (_, response, url) => {
    if (!url.pathname.endsWith('/events') || server.streams > 1) return false
    response.writeHead(200, { 'Content-Type': 'text/event-stream' })
    response.write(frame('hello', {}))
    return true
  }
  const { stream, lsns } = open({ silence: 100, patience: 100, probe: 10 })
  stream.follow('s', 0)
  await until(() => lsns('s').length === 4)
  await until(() => server.readers.size === 1)
  expect(server.streams).toBeGreaterThan(1)
})

test('a snapshot replaces the position', async () => {
  server.begin('s')
  server.spoil = (frames, attempt) =>
    attempt === 1 ? [frame('snapshot', { id: 's', lsn: 3, messages: [] }), ...frames.slice(3)] : frames
  const { stream, lsns, of } = open()
  stream.follow('s', 0)
  await until(() => lsns('s').length === 1)
  expect(lsns('s')).toEqual([4])
  expect(of('snapshot').map(({ transcript }) => transcript.lsn)).toEqual([3])
})

test('without anything to follow there is no connection', async () => {
  server.begin('s')
  const { stream, lsns } = open()
  stream.follow('s', 0)
  await until(() => lsns('s').length === 4)
  stream.unfollow('s')
  await until(() => server.readers.size === 0)
  server.say('s', 'a')
  stream.follow('s', 4)
  await until(() => lsns('s').length === 5)
  expect(lsns('s')).toEqual(range(1, 5))
})

test('a session that is followed anew from before is delivered anew', async () => {
  server.begin('s')
  server.begin('other')
  const { stream, lsns, of } = open()
  stream.follow('s', 0)
  stream.follow('other', 0)
  await until(() => lsns('s').length === 4)
  stream.unfollow('s')
  server.say('s', 'a')
  stream.follow('s', 2)
  server.say('s', 'b')
  await until(() => lsns('s').length === 8)
  expect(lsns('s')).toEqual([1, 2, 3, 4, 3, 4, 5, 6])
  expect(of('lost')).toEqual([])
})

test('of too many sessions, the one that was asked for and heard of least recently is dropped', async () => {
  const names = Array.from({ length: MAX_FOLLOWED }, (_, n) => `s_${n}`)
  for (const name of [...names, 'one', 'more']) server.begin(name)
  const { stream, lsns, of } = open()
  names.forEach((name) => stream.follow(name, 4))
  stream.follow('s_0', 4)
  await until(() => server.readers.size === 1)
  server.say('s_1', 'a')
  await until(() => lsns('s_1').length === 1)
  stream.follow('one', 0)
  stream.follow('more', 0)
  await until(() => lsns('one').length === 4 && lsns('more').length === 4)
  expect(of('dropped').map(({ session }) => session)).toEqual(['s_2', 's_3'])
  expect(of('state')).toHaveLength(1)
})

test('asking for a new attempt does not wait for the back-off', async () => {
  server.begin('s')
  server.answer = (_, response) => {
    if (server.streams > 1) return false
    reply(response, 503, { message: 'busy', code: 'busy' })
    return true
  }
  const { stream, lsns, of } = open({ backoff: new Backoff(1e9, 1e9) })
  stream.follow('s', 0)
  await until(() => of('state').length === 1)
  await until(() => {
    stream.retry()
    return server.streams > 1
  })
  await until(() => lsns('s').length === 4)
})
