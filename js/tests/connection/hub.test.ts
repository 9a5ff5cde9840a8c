/** Many pages, one stream; a page that goes, in whatever way, takes nothing from the others. */

import { afterEach, beforeEach, expect, test } from 'vitest'

import { Backoff } from '../../src/connection/backoff'
import { Hub, type HubOptions, PATIENCE } from '../../src/connection/hub'
import type { FromHub, ToHub } from '../../src/connection/protocol'
import { ChatServer, MAX_FOLLOWED, reply } from './server'
import { range, until } from './until'

let server: ChatServer
let hub: Hub
let ports: MessagePort[]

beforeEach(async () => {
  server = await ChatServer.start()
  hub = newHub()
  ports = []
})

afterEach(async () => {
  for (const port of ports) {
    port.postMessage({ type: 'bye' })
    port.close()
  }
  await until(() => server.readers.size === 0)
  await server.close()
})

function newHub(options: HubOptions = {}): Hub {
  return new Hub({ backoff: new Backoff(1, 5), ...options })
}

/** A page with all that it heard. It gives its token when asked. */
function join(xsrf = 'token', to = hub) {
  const { port1, port2 } = new MessageChannel()
  ports.push(port1)
  const heard: FromHub[] = []
  const say = (message: ToHub) => port1.postMessage(message)
  port1.onmessage = ({ data }: MessageEvent<FromHub>) => {
    heard.push(data)
    if (data.type === 'xsrf?') say({ type: 'xsrf', xsrf })
  }
  to.connect(port2)
  say({ type: 'hello', api: server.api.href, xsrf: 'stale' })
  const lsns = (session: string) =>
    heard.flatMap((message) =>
      message.type === 'events' && message.session === session ? message.events.map(({ lsn }) => lsn) : [],
    )
  const of = <T extends FromHub['type']>(type: T) =>
    heard.filter((message): message is Extract<FromHub, { type: T }> => message.type === type)
  return { say, heard, lsns, of }
}

test('many pages, one stream, each page its sessions', async () => {
  for (const session of ['a', 'b']) server.begin(session)
  const [one, two, three] = [join(), join(), join()]
  one.say({ type: 'follow', session: 'a', lsn: 0, seen: true })
  two.say({ type: 'follow', session: 'a', lsn: 0, seen: true })
  two.say({ type: 'follow', session: 'b', lsn: 2, seen: true })
  three.say({ type: 'follow', session: 'b', lsn: 2, seen: true })
  await until(() => [one, two].every(({ lsns }) => lsns('a').length === 4))
  await until(() => [two, three].every(({ lsns }) => lsns('b').length === 2))
  server.say('a', 'x')
  await until(() => [one, two].every(({ lsns }) => lsns('a').length === 5))
  expect(one.lsns('a')).toEqual(range(1, 5))
  expect(one.lsns('b')).toEqual([])
  expect(three.lsns('a')).toEqual([])
  expect(server.readers.size).toBe(1)
})

test('a page that joins is told where the stream is, and gets everything after that', async () => {
  server.begin('s')
  const early = join()
  early.say({ type: 'follow', session: 's', lsn: 0, seen: true })
  await until(() => early.lsns('s').length === 4)
  const late = join()
  late.say({ type: 'follow', session: 's', lsn: 1, seen: true })
  await until(() => late.of('following').length === 1)
  expect(late.of('following')).toEqual([{ type: 'following', session: 's', lsn: 4 }])
  server.say('s', 'x', 'y')
  await until(() => late.lsns('s').length === 2 && early.lsns('s').length === 6)
  expect(late.lsns('s')).toEqual([5, 6])
  expect(server.streams).toBe(1)
})

test('a page that leaves stops nobody; with the last one the stream ends', async () => {
  server.begin('s')
  const [one, two] = [join(), join()]
  one.say({ type: 'follow', session: 's', lsn: 4, seen: true })
  two.say({ type: 'follow', session: 's', lsn: 4, seen: true })
  await until(() => server.readers.size === 1)
  one.say({ type: 'bye' })
  server.say('s', 'x')
  await until(() => two.lsns('s').length === 1)
  two.say({ type: 'unfollow', session: 's' })
  await until(() => server.readers.size === 0)
  two.say({ type: 'follow', session: 's', lsn: 5, seen: true })
  server.say('s', 'y')
  await until(() => two.lsns('s').length === 2)
})

test('a page that is not heard of is given up; when it speaks again it is told so', async () => {
  server.begin('s')
  let now = 0
  const timed = newHub({ now: () => now })
  const [frozen, alive] = [join('token', timed), join('token', timed)]
  frozen.say({ type: 'follow', session: 's', lsn: 4, seen: true })
  await until(() => server.readers.size === 1)
  now = PATIENCE
  alive.say({ type: 'ping' })
  await until(() => alive.of('pong').length === 1)
  expect(server.readers.size).toBe(1)
  now = PATIENCE + 1
  alive.say({ type: 'ping' })
  await until(() => server.readers.size === 0)
  frozen.say({ type: 'ping' })
  await until(() => frozen.of('unknown').length === 1)
  frozen.say({ type: 'hello', api: server.api.href, xsrf: '' })
  frozen.say({ type: 'follow', session: 's', lsn: 4, seen: true })
  server.say('s', 'x')
  await until(() => frozen.lsns('s').length === 1)
  expect(alive.of('unknown')).toEqual([])
})

test('the XSRF token is asked of the pages', async () => {
  server.begin('s')
  server.answer = (request, response) => {
    if (request.headers['x-xsrftoken'] === 'fresh') return false
    reply(response, 403, { message: 'XSRF', code: 'forbidden' })
    return true
  }
  const page = join('fresh')
  page.say({ type: 'follow', session: 's', lsn: 0, seen: true })
  await until(() => page.lsns('s').length === 4)
  expect(server.requests.map(({ xsrf }) => xsrf)).toEqual(['fresh'])
})

test('requests that are made at once ask for one token, and both go with it', async () => {
  server.answer = (_, response, { pathname }) => pathname.endsWith('/watching') && (reply(response, 200, {}), true)
  server.begin('s')
  const page = join('fresh')
  page.say({ type: 'follow', session: 's', lsn: 0, seen: true })
  await until(() => page.lsns('s').length === 4)
  const before = page.of('xsrf?').length
  page.say({ type: 'sight', sessions: ['s'] })
  page.say({ type: 'typing', session: 's', typing: true })
  const told = () => server.requests.filter(({ path }) => path === '/watching')
  await until(() => told().length === 2)
  expect(told().map(({ xsrf }) => xsrf)).toEqual(['fresh', 'fresh'])
  expect(page.of('xsrf?').length).toBe(before + 1)
})

test('what becomes of a session is told to its pages only, which then do not follow it any more', async () => {
  server.begin('s')
  const [one, other] = [join(), join()]
  one.say({ type: 'follow', session: 'never', lsn: 0, seen: true })
  other.say({ type: 'follow', session: 's', lsn: 4, seen: true })
  await until(() => one.of('gone').length === 1)
  expect(other.of('gone')).toEqual([])
  server.begin('never')
  one.say({ type: 'follow', session: 'never', lsn: 0, seen: true })
  await until(() => one.lsns('never').length === 4)
})

test('what any page sees is said with the stream, and when it changes; a page that goes sees nothing', async () => {
  server.answer = (_, response, { pathname }) => pathname.endsWith('/watching') && (reply(response, 200, {}), true)
  for (const session of ['a', 'b']) server.begin(session)
  const [one, two] = [join(), join()]
  one.say({ type: 'sight', sessions: ['a'] })
  one.say({ type: 'follow', session: 'a', lsn: 0, seen: true })
  two.say({ type: 'follow', session: 'b', lsn: 0, seen: false })
  await until(() => one.lsns('a').length === 4 && two.lsns('b').length === 4)
  const streams = () => server.requests.filter(({ path }) => path === '/events').map(({ query }) => query.getAll('seen'))
  const told = () => server.requests.filter(({ path }) => path === '/watching').length
  expect(streams().at(-1)).toEqual(['a'])
  const before = told()
  two.say({ type: 'sight', sessions: ['b', 'a'] })
  await until(() => told() === before + 1)
  one.say({ type: 'sight', sessions: ['a'] })
  one.say({ type: 'bye' })
  two.say({ type: 'sight', sessions: [] })
  await until(() => told() === before + 2)
  expect(streams().length).toBeLessThanOrEqual(2)
})

test('an inbox is never dropped for what is seen', async () => {
  server.append('inbox_1', { type: 'turn-noticed', session_id: 'a' })
  const page = join()
  page.say({ type: 'follow', session: 'inbox_1', lsn: 0, seen: true })
  for (let n = 0; n <= MAX_FOLLOWED; n++) {
    server.begin(`s_${n}`)
    page.say({ type: 'follow', session: `s_${n}`, lsn: 0, seen: true })
  }
  await until(() => page.lsns('inbox_1').length === 1)
  expect(page.of('dropped').map(({ session }) => session)).toEqual(['s_0', 's_1'])
})

test('pages that show the list of sessions hear of it, over the stream that is there, and the others do not', async () => {
  server.begin('a')
  const [one, two, three] = [join(), join(), join()]
  one.say({ type: 'follow', session: 'a', lsn: 0, seen: true })
  await until(() => one.lsns('a').length === 4)
  server.list('a')
  two.say({ type: 'list', wanted: true })
  await until(() => two.of('listed').length > 0)
  await until(() => [...server.readers].some(({ lists }) => lists))
  three.say({ type: 'list', wanted: true })
  await until(() => three.of('listed').length > 0) // at once: the stream stays as it is
  server.list('s_1', 's_2')
  const told = { type: 'listed', changed: ['s_1', 's_2'] }
  await until(() => [two, three].every(({ of }) => of('listed').some(({ changed }) => changed?.length === 2)))
  expect([two.of('listed').at(-1), three.of('listed').at(-1)]).toEqual([told, told])
  expect(one.of('listed')).toEqual([])
  expect(server.streams).toBeLessThanOrEqual(2)
})

test.each(['stream', 'pages'])('who follows an inbox is told of the version of the server, the late ones and after a restart too (%s)', async (way) => {
  server.begin('s')
  server.begin('inbox_1')
  if (way === 'pages') hub = newHub({ patience: 50 })
  if (way === 'pages') server.holdsBack = Infinity
  const [early, other] = [join(), join()]
  early.say({ type: 'follow', session: 'inbox_1', lsn: 4, seen: true })
  other.say({ type: 'follow', session: 's', lsn: 4, seen: true })
  await until(() => early.of('version').length > 0)
  const late = join()
  late.say({ type: 'follow', session: 'inbox_1', lsn: 4, seen: true })
  await until(() => late.of('version').length > 0)
  server.version = 'next'
  server.endStreams()
  server.say('s', 'x')
  await until(() => [early, late].every(({ of }) => of('version').at(-1)?.version === 'next'))
  expect(early.of('version')[0]).toEqual({ type: 'version', session: 'inbox_1', version: 'test' })
  expect(other.of('version')).toEqual([])
})
