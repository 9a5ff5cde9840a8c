/** Where something in between holds streams back, every event comes in pages, once and in order, and streams come back. */

import { afterEach, beforeEach, expect, test, vi } from 'vitest'

import { Backoff } from '../../src/connection/backoff'
import { Stream, type StreamOptions, type Told } from '../../src/connection/stream'
import { ChatServer, reply } from './server'
import { range, until } from './until'

vi.setConfig({ testTimeout: 60_000 })

let server: ChatServer
const streams: Stream[] = []

beforeEach(async () => {
  server = await ChatServer.start()
})

afterEach(async () => {
  for (const stream of streams.splice(0)) stream.close()
  await server.close()
})

/** A stream with all that it told, which has little patience and does not probe. */
function open(options: Partial<StreamOptions> = {}) {
  const told: Told[] = []
  const stream = new Stream({
    api: server.api,
    xsrf: () => Promise.resolve('token'),
    tell: (message) => told.push(message),
    backoff: new Backoff(1, 5),
    patience: 200,
    probe: 1e9,
    ...options,
  })
  streams.push(stream)
  const lsns = (session: string) =>
    told.flatMap((message) =>
      message.type === 'events' && message.session === session ? message.events.map(({ lsn }) => lsn) : [],
    )
  const of = <T extends Told['type']>(type: T) =>
    told.filter((message): message is Extract<Told, { type: T }> => message.type === type)
  return { stream, told, lsns, of }
}

test.each([
  ['whole', Infinity, 0],
  ['in pieces, of which the last one stays', 4096, 200],
])('a stream that is held back %s is replaced by pages', async (_, holdsBack, before) => {
  server.holdsBack = holdsBack
  server.begin('a')
  server.begin('b')
  server.say('a', ...Array.from({ length: before }, (_, n) => `word ${n} `))
  const { stream, lsns, of } = open()
  stream.follow('a', 0)
  stream.follow('b', 2)
  await until(() => lsns('a').length === 4 + before && lsns('b').length === 2)
  server.say('b', 'live')
  server.end('b')
  server.end('a')
  await until(() => lsns('a').length === 5 + before && lsns('b').length === 4)
  expect(lsns('a')).toEqual(range(1, 5 + before))
  expect(lsns('b')).toEqual(range(3, 6))
  expect(of('state').at(-1)).toEqual({ type: 'state', state: 'live', text: null })
  expect(of('state').map(({ state }) => state)).not.toContain('offline')
  expect(of('lost')).toEqual([])
  expect([server.streams, server.readers.size]).toEqual([1, 0])
})

test('of a stream that comes in pieces, and begins in time, the end does not stay out', async () => {
  server.holdsBack = 4096
  server.begin('s')
  const { stream, lsns, of } = open({ patience: 2000, silence: 1e9 })
  stream.follow('s', 0)
  for (let n = 0; lsns('s').length < 100; n++) {
    server.say('s', `word ${n} `)
    await new Promise((resolve) => setTimeout(resolve, 5))
  }
  server.end('s')
  await until(() => lsns('s').length === server.lsn('s'))
  expect(lsns('s')).toEqual(range(1, server.lsn('s')))
  expect(of('state').map(({ state }) => state)).not.toContain('offline')
  expect(of('lost')).toEqual([])
})

test('what is cut in the middle by a stream that got through is asked for in pages', async () => {
  server.begin('s')
  const { stream, lsns, of } = open({ silence: 1e9 })
  stream.follow('s', 0)
  await until(() => of('state').at(-1)?.state === 'live' && lsns('s').length === 4)
  server.holdsBack = 200
  server.say('s', 'this is longer than what is handed on of it, '.repeat(6))
  await until(() => lsns('s').length === 5)
  expect(lsns('s')).toEqual(range(1, 5))
})

test('an answer in pages comes in a few requests, and without one nothing is asked all the time', async () => {
  server.holdsBack = Infinity
  server.begin('s')
  const { stream, lsns } = open()
  stream.follow('s', 0)
  await until(() => lsns('s').length === 4)
  for (let n = 0; n < 100; n++) {
    server.say('s', `${n} `)
    await new Promise((resolve) => setTimeout(resolve, 5))
  }
  await until(() => lsns('s').length === 104)
  expect(lsns('s')).toEqual(range(1, 104))
  expect(server.pages).toBeLessThan(20)
})

test('a stream that gets through again takes over, by itself', async () => {
  server.holdsBack = Infinity
  server.begin('s')
  const { stream, lsns, of } = open({ probe: 50 })
  stream.follow('s', 0)
  await until(() => lsns('s').length === 4)
  server.say('s', 'in a page')
  await until(() => lsns('s').length === 5)
  server.holdsBack = 0
  for (let pages = -1; server.pages !== pages; ) {
    ;({ pages } = server)
    server.say('s', 'x')
    await until(() => lsns('s').length === server.lsn('s'))
  }
  expect(lsns('s')).toEqual(range(1, server.lsn('s')))
  expect(server.readers.size).toBe(1)
  expect(of('lost')).toEqual([])
})

test('failure 25: whatever is held back, and let through again, arrives once and in order', async () => {
  server.begin('a')
  server.begin('b')
  const { stream, lsns, of } = open({ patience: 60, silence: 60, probe: 20 })
  stream.follow('a', 0)
  stream.follow('b', 0)
  for (let n = 0; n < 120; n++) {
    if (n % 10 === 0) server.holdsBack = [0, Infinity, 2000, 0][(n / 10) % 4] as number
    server.say('a', `${n} `)
    if (n % 3 === 0) server.say('b', `${n} `)
    await new Promise((resolve) => setTimeout(resolve, 10))
  }
  server.end('a')
  server.end('b')
  await until(() => ['a', 'b'].every((session) => stream.position(session) === server.lsn(session)))
  for (const session of ['a', 'b']) expect(lsns(session)).toEqual(range(1, server.lsn(session)))
  expect(of('lost')).toEqual([])
  expect(server.pages).toBeGreaterThan(2)
  expect(server.streams).toBeGreaterThan(2)
})

test('a session that is followed, left and followed anew while pages come', async () => {
  server.holdsBack = Infinity
  for (const session of ['a', 'b']) server.begin(session)
  const { stream, lsns, of } = open()
  stream.follow('a', 0)
  await until(() => lsns('a').length === 4)
  stream.follow('b', 0)
  await until(() => lsns('b').length === 4)
  stream.unfollow('a')
  server.say('a', 'unheard')
  server.say('b', 'heard')
  await until(() => lsns('b').length === 5)
  stream.follow('a', 3)
  await until(() => lsns('a').length === 6)
  expect(lsns('a')).toEqual([1, 2, 3, 4, 4, 5])
  expect(of('lost')).toEqual([])
  stream.unfollow('a')
  stream.unfollow('b')
  const { pages } = server
  server.say('b', 'nobody is there')
  await new Promise((resolve) => setTimeout(resolve, 300))
  expect(server.pages).toBe(pages)
})

test('what is gone, or ends before the position, is told of; the others go on', async () => {
  server.holdsBack = Infinity
  server.begin('s')
  server.begin('short')
  const { stream, lsns, of } = open()
  stream.follow('s', 4)
  stream.follow('never', 7)
  stream.follow('short', 99)
  await until(() => of('gone').length === 1 && of('lost').length === 1)
  expect(of('lost')).toEqual([{ type: 'lost', session: 'short', reason: 'ahead' }])
  server.say('s', 'a')
  await until(() => lsns('s').length === 1)
  server.delete('s')
  await until(() => of('gone').length === 2)
})

test('a hole in a page is never delivered over', async () => {
  server.begin('s')
  server.answer = (request, response) => {
    if (request.headers.accept !== 'application/json') return true
    reply(response, 200, { items: [{ session: 's', events: server.events('s').toSpliced(2, 1) }] })
    return true
  }
  const { stream, lsns, of } = open()
  stream.follow('s', 0)
  await until(() => of('lost').length === 1)
  expect(lsns('s')).toEqual([1, 2])
  expect(stream.position('s')).toBeUndefined()
})

test('a proxy that ends what waits for long is waited at less long, and nobody is told', async () => {
  server.begin('s')
  const waits: number[] = []
  server.answer = (request, response, url) => {
    if (request.headers.accept !== 'application/json') return true
    const wait = Number(url.searchParams.get('wait'))
    if (wait <= 5) return false
    waits.push(wait)
    reply(response, 504, {})
    return true
  }
  const { stream, lsns, of } = open()
  stream.follow('s', 0)
  await until(() => lsns('s').length === 4)
  await until(() => waits.length === 2)
  server.say('s', 'a')
  await until(() => lsns('s').length === 5)
  expect(waits).toEqual([20, 10])
  expect(of('state').map(({ state }) => state)).not.toContain('offline')
})

test('streams that are refused again and again, and pages that are not', async () => {
  server.begin('s')
  server.answer = (request, response) => {
    if (request.headers.accept === 'application/json') return false
    reply(response, 502, {})
    return true
  }
  const { stream, lsns } = open()
  stream.follow('s', 0)
  await until(() => lsns('s').length === 4)
  expect(server.streams).toBe(3)
})

test('a server that went away while pages came is found again, and said not to be there meanwhile', async () => {
  server.holdsBack = Infinity
  server.begin('s')
  const { stream, lsns, of } = open({ probe: 50 })
  stream.follow('s', 0)
  await until(() => lsns('s').length === 4)
  const { port } = server
  await server.close()
  await until(() => of('state').at(-1)?.state === 'offline')
  server = await ChatServer.start(port)
  server.begin('s')
  server.say('s', 'a')
  await until(() => lsns('s').length === 5)
  await until(() => server.readers.size === 1)
  expect(of('state').at(-1)).toEqual({ type: 'state', state: 'live', text: null })
  expect(lsns('s')).toEqual(range(1, 5))
})

test('a network that takes everything and gives nothing is one without a server', async () => {
  server.begin('s')
  server.answer = () => true
  const { stream, of, lsns } = open({ patience: 50 })
  stream.follow('s', 0)
  await until(() => of('state').at(-1)?.state === 'offline')
  expect(server.streams).toBeGreaterThan(0)
  expect(server.pages).toBeGreaterThan(0)
  server.answer = () => false
  await until(() => lsns('s').length === 4)
})
