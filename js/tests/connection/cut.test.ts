/**
 * The bytes of a shared stream, cut after each one of them: every event arrives once and in order, and no gap is counted.
 *
 * The server writes its answers to the socket by itself, headers too. It is asked at `/N/…` and cuts its first two answers
 * there after N bytes; an answer that goes on from a position repeats what came before it. A connection that falls silent
 * is followed by pages, which are cut as well.
 */

import { type AddressInfo, createServer, type Server, type Socket } from 'node:net'

import { afterAll, beforeAll, expect, test } from 'vitest'

import { Backoff } from '../../src/connection/backoff'
import { Stream, type Told } from '../../src/connection/stream'
import type { WireEvent } from '../../src/events'
import { fold } from '../../src/fold'
import { emptyTranscript, type Transcript } from '../../src/transcript'
import { frame } from './server'
import { range, until } from './until'

const said = [
  { type: 'session-created', session: 'b' },
  { type: 'user-message', message_id: 'm_1', client_id: 'c_1', text: 'wie viel ist zwölf?' },
  { type: 'turn-started', turn: 't', user_message_id: 'm_1', message_id: 'm_2', agent: 'demo' },
  { type: 'text-start', turn: 't', id: 'x' },
  { type: 'text-delta', turn: 't', id: 'x', delta: '→ ✓ 🤔' },
  { type: 'turn-stopped', turn: 't', outcome: 'completed' },
].map((event, index): WireEvent => ({ lsn: index + 1, at: '', turn: null, ...event }))

const logs = new Map([
  ['a', said.map((event) => ('session' in event ? { ...event, session: 'a' } : event))],
  ['b', said],
])

/** Of `b`, what comes before is compacted. */
const COMPACTED = 3

function bodyAfter(positions: Map<string, number>): string[] {
  const frames = ['retry: 0\n\n', frame('hello', { version: 'test', sessions: [...positions.keys()] })]
  for (const [session, after] of positions) {
    const log = logs.get(session) as WireEvent[]
    const compacted = session === 'b' && after < COMPACTED
    if (compacted) frames.push(frame('snapshot', { ...fold(emptyTranscript(), log.slice(0, COMPACTED)), id: session }))
    const from = compacted ? COMPACTED : Math.max(0, after - 2)
    frames.push(...log.slice(from).map((event) => frame('', { ...event, session })), ': keep-alive\n\n')
    frames.push(frame('caught-up', { session, lsn: log.length }))
  }
  return frames
}

function pageAfter(positions: Map<string, number>): unknown[] {
  return [...positions].flatMap(([session, after]) => {
    const log = logs.get(session) as WireEvent[]
    const compacted = session === 'b' && after < COMPACTED
    const snapshot = { ...fold(emptyTranscript(), log.slice(0, COMPACTED)), id: session }
    const events = log.slice(compacted ? COMPACTED : Math.max(0, after - 2))
    return [...(compacted ? [{ session, snapshot }] : []), { session, events }, { session, caught_up: log.length }]
  })
}

type Ending = 'is closed' | 'is closed, and says no length' | 'falls silent'

function answerTo(request: string, ending: Ending): Buffer {
  const query = new URL(/^GET (\S+)/.exec(request)?.[1] ?? '', 'http://x').searchParams
  const positions = new Map(query.getAll('after').map((text): [string, number] => [text.slice(0, 1), Number(text.slice(2))]))
  if (request.includes('application/json')) {
    const body = Buffer.from(JSON.stringify({ items: pageAfter(positions) }))
    const about = ['Content-Type: application/json', `Content-Length: ${body.length}`, 'Connection: close', '', '']
    return Buffer.concat([Buffer.from(['HTTP/1.1 200 OK', ...about].join('\r\n')), body])
  }
  const head = ['HTTP/1.1 200 OK', 'Content-Type: text/event-stream', 'Connection: close']
  const frames = bodyAfter(positions)
  if (ending === 'is closed, and says no length') return Buffer.from([...head, '', frames.join('')].join('\r\n'))
  const chunks = frames.map((text) => `${Buffer.byteLength(text).toString(16)}\r\n${text}\r\n`)
  return Buffer.from([...head, 'Transfer-Encoding: chunked', '', chunks.join('')].join('\r\n'))
}

let server: Server
let ending: Ending
const attempts = new Map<string, number>()
const sockets = new Set<Socket>()

beforeAll(async () => {
  server = createServer((socket) => {
    sockets.add(socket)
    socket.on('error', () => undefined).on('close', () => sockets.delete(socket))
    let request = ''
    socket.on('data', (data) => {
      request += data.toString()
      if (request.endsWith('\r\n\r\n')) answer(socket, request)
    })
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
})

afterAll(async () => {
  for (const socket of sockets) socket.destroy()
  await new Promise((resolve) => server.close(resolve))
})

/** Two answers that are cut, two refusals, and all of it. */
function answer(socket: Socket, request: string): void {
  const cut = /^GET (\/\d+)/.exec(request)?.[1] as string
  const attempt = (attempts.get(cut) ?? 0) + 1
  attempts.set(cut, attempt)
  if (attempt === 2) return refuse(socket, '503 Service Unavailable')
  if (attempt === 4) return refuse(socket, '400 Bad Request')
  const bytes = answerTo(request, ending)
  const room = attempt < 4 ? Number(cut.slice(1)) : Infinity
  socket.write(bytes.subarray(0, room))
  if (room < bytes.length && ending !== 'falls silent') socket.destroySoon()
}

function refuse(socket: Socket, status: string): void {
  const body = JSON.stringify({ message: 'Not now.', code: 'busy' })
  socket.end(`HTTP/1.1 ${status}\r\nContent-Type: application/json\r\nContent-Length: ${body.length}\r\nConnection: close\r\n\r\n${body}`)
}

/** What a page has in the end of what a stream told. */
function outcome(told: Told[], session: string) {
  const mine = told.filter((message) => 'session' in message && message.session === session)
  const lsns = mine.flatMap((message) => (message.type === 'events' ? message.events.map(({ lsn }) => lsn) : []))
  const transcript = mine.reduce((transcript: Transcript, message) => {
    if (message.type === 'snapshot') return message.transcript
    return message.type === 'events' ? fold(transcript, message.events) : transcript
  }, emptyTranscript())
  return { lsns, transcript, others: mine.map(({ type }) => type).filter((type) => type !== 'events') }
}

async function follow(cut: number): Promise<void> {
  const told: Told[] = []
  const stream = new Stream({
    api: new URL(`http://127.0.0.1:${(server.address() as AddressInfo).port}/${cut}/durable-chat/api/`),
    xsrf: () => Promise.resolve(''),
    tell: (message) => told.push(message),
    backoff: new Backoff(0, 0),
    ...(ending === 'falls silent' ? { silence: 300, patience: 300 } : {}),
  })
  for (const session of logs.keys()) stream.follow(session, 0)
  await until(() => [...logs].every(([session, log]) => stream.position(session) === log.length))
  stream.close()
  for (const [session, log] of logs) {
    const { lsns, transcript, others } = outcome(told, session)
    const compacted = session === 'b' ? COMPACTED : 0
    expect(lsns, `${session}, cut after ${cut} bytes`).toEqual(range(compacted + 1, log.length))
    expect(others).toEqual(compacted ? ['snapshot'] : [])
    expect(transcript).toEqual(fold(emptyTranscript(), log))
  }
}

test.each<Ending>(['is closed', 'is closed, and says no length', 'falls silent'])(
  'a connection that %s after any byte costs nothing',
  { timeout: 120_000 },
  async (how) => {
    ending = how
    attempts.clear()
    const whole = answerTo('GET /?after=a:0&after=b:0', how).length
    const cuts = range(0, whole)
    while (cuts.length > 0) await Promise.all(cuts.splice(0, 100).map(follow))
  },
)
