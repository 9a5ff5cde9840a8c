/** Who is there is told to every page that follows; who types is told to the server while somebody is there to see it. */

import { afterEach, beforeEach, expect, test } from 'vitest'

import { Backoff } from '../../src/connection/backoff'
import { Hub } from '../../src/connection/hub'
import type { FromHub, ToHub } from '../../src/connection/protocol'
import { Session } from '../../src/connection/session'
import { you } from '../../src/connection/you'
import { ChatServer, reply } from './server'
import { until } from './until'

let server: ChatServer
let hub: Hub
let ports: MessagePort[]
/** What the server was told at `watching`. */
let told: { stream: string; sessions?: string[]; typing?: string | null }[]

beforeEach(async () => {
  server = await ChatServer.start()
  server.begin('s')
  told = []
  server.answer = (request, response, url) => {
    if (!url.pathname.endsWith('/watching')) return false
    let body = ''
    request.on('data', (piece) => (body += String(piece)))
    request.on('end', () => {
      told.push(JSON.parse(body) as (typeof told)[number])
      reply(response, 200, {})
    })
    return true
  }
  hub = new Hub({ backoff: new Backoff(1, 5) })
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

function join() {
  const { port1, port2 } = new MessageChannel()
  ports.push(port1)
  const heard: FromHub[] = []
  const say = (message: ToHub) => port1.postMessage(message)
  port1.onmessage = ({ data }: MessageEvent<FromHub>) => {
    heard.push(data)
    if (data.type === 'xsrf?') say({ type: 'xsrf', xsrf: 'token' })
  }
  hub.connect(port2)
  say({ type: 'hello', api: server.api.href, xsrf: 'token' })
  return { say, heard, met: () => heard.flatMap((message) => (message.type === 'presence' ? [message.people.map(({ username }) => username).join()] : [])) }
}

const present = (people: object[], session = 's') => {
  for (const { response } of server.readers) response.write(`event: presence\ndata: ${JSON.stringify({ session, people })}\n\n`)
}

test('a stream asks who is there, and every page that follows is told, the late ones too', async () => {
  const early = join()
  early.say({ type: 'follow', session: 's', lsn: 4, seen: true })
  await until(() => server.readers.size === 1)
  expect(server.requests.find(({ path }) => path === '/events')?.query.get('presence')).toBe('1')
  present([{ username: 'ada' }, { username: 'bob' }])
  present([{ username: 'eve' }], 'another')
  await until(() => early.met().length === 1)
  const late = join()
  late.say({ type: 'follow', session: 's', lsn: 4, seen: true })
  await until(() => late.met().length === 1)
  present([{ username: 'ada' }])
  await until(() => early.met().length === 2)
  expect(early.met()).toEqual(['ada,bob', 'ada'])
  expect(late.met()).toEqual(['ada,bob', 'ada'])
  server.say('s', 'x')
  await until(() => early.heard.some(({ type }) => type === 'events'))
})

test('what is not an event moves no position', async () => {
  const page = join()
  page.say({ type: 'follow', session: 's', lsn: 2, seen: true })
  await until(() => server.readers.size === 1)
  present([{ username: 'ada' }])
  server.endStreams()
  await until(() => server.streams === 2)
  expect(server.requests.filter(({ path }) => path === '/events').at(-1)?.query.get('after')).toBe('s:4')
})

test('who types is said to the stream that is there', async () => {
  const page = join()
  page.say({ type: 'follow', session: 's', lsn: 4, seen: true })
  await until(() => server.readers.size === 1)
  for (const { response } of server.readers) response.write('event: hello\ndata: {"stream": "v_1"}\n\n')
  await until(() => page.heard.some((message) => message.type === 'state' && message.state === 'live'))
  page.say({ type: 'typing', session: 's', typing: true })
  await until(() => told.some(({ typing }) => typing === 's'))
  page.say({ type: 'typing', session: 's', typing: false })
  await until(() => told.some(({ typing }) => typing === null))
  expect(new Set(told.map(({ stream }) => stream)).size).toBe(1)
})

test('typing is said now and then, to others, and ended once', () => {
  const said: ToHub[] = []
  const session = sessionThatSays(said)
  you.username = 'ada'
  const writes = () => said.filter(({ type }) => type === 'typing').map((message) => 'typing' in message && message.typing)
  session.writes(true)
  expect(writes()).toEqual([])
  session.hear({ type: 'presence', session: 's', people: [{ username: 'ada' }] })
  session.writes(true)
  expect([writes(), session.others]).toEqual([[], []])
  session.hear({ type: 'presence', session: 's', people: [{ username: 'ada' }, { username: 'bob' }] })
  expect(session.others.map(({ username }) => username)).toEqual(['bob'])
  for (let key = 0; key < 50; key++) session.writes(true)
  session.writes(false)
  session.writes(false)
  expect(writes()).toEqual([true, false])
})

/** One that follows, on a connection that is there. */
function sessionThatSays(said: ToHub[]): Session {
  const session = new Session('s', {
    api: server.api,
    state: { state: 'live', text: null },
    waits: false,
    direct: true,
    awake: true,
    isSeen: () => true,
    send: (message) => void said.push(message),
    ask: () => new Promise(() => undefined),
    changed: () => undefined,
    backoff: () => new Backoff(1, 5),
    agents: () => new Promise(() => undefined),
  })
  Object.defineProperty(session, 'state', { get: () => 'live' })
  return session
}
