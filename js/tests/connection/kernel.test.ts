/** A page that cannot reach the server has it all the same: every event once, in order, whatever its kernel does. */

import { afterEach, beforeEach, describe, expect, test } from 'vitest'

import { Connection } from '../../src/connection/connection'
import { Backoff } from '../../src/connection/backoff'
import { Kernel } from '../../src/connection/kernel'
import { en } from '../../src/words/en'
import { Browser, show, text } from './page'
import { FakeKernel } from './relay'
import { ChatServer } from './server'
import { range, until } from './until'

const API = new URL('http://kernel.invalid/durable-chat/api/')

let browser: Browser
let server: ChatServer
let relay: FakeKernel
let kernel: Kernel
let widget: AbortController
let connection: Connection
let closing: AbortController

beforeEach(async () => {
  browser = new Browser()
  server = await ChatServer.start()
  relay = new FakeKernel(server)
  kernel = new Kernel()
  closing = new AbortController()
  widget = new AbortController()
  kernel.join(relay.widget(), widget.signal)
  const backoff = () => new Backoff(1, 5)
  connection = new Connection({ api: API, worker: null, kernel, signal: closing.signal, hub: { backoff: backoff() }, backoff })
})

afterEach(async () => {
  closing.abort()
  browser.close()
  await server.close()
})

/** A session whose answer has begun, in sight and live. */
async function streaming(): Promise<ReturnType<typeof show>> {
  server.begin('s_1')
  const handle = show(connection, 's_1')
  await until(() => handle.session.state === 'live')
  return handle
}

describe('through the kernel', () => {
  test('a transcript is read and followed, over one stream', async () => {
    const handle = await streaming()
    for (const word of range(1, 50)) server.say('s_1', `${word} `)
    server.end('s_1')
    await until(() => handle.session.transcript?.turn === null)
    expect(text(handle)).toBe(range(1, 50).join(' ') + ' ')
    expect(handle.session.gaps).toBe(0)
    expect(server.streams).toBe(1)
    expect(server.requests.every(({ xsrf }) => xsrf === '')).toBe(true)
  })

  test('a file goes there and comes back as it is', async () => {
    const handle = await streaming()
    const bytes = Uint8Array.from(range(0, 255))
    const part = await handle.session.upload(new File([bytes], 'a b.bin', { type: 'image/png' }), closing.signal)
    expect(part).toMatchObject({ mediaType: 'image/png', filename: 'a b.bin' })
    const blob = await handle.session.attachment(part.url, closing.signal)
    expect(new Uint8Array(await blob.arrayBuffer())).toEqual(bytes)
  })

  test('what the server refuses is said in its words', async () => {
    const handle = show(connection, 's_none')
    await until(() => handle.session.state === 'gone')
    expect(handle.session.notice).toContain('s_none')
  })

  test('answers keep coming while a cell runs, sending waits and is said to', async () => {
    const handle = await streaming()
    relay.busy = true
    handle.session.send('Meanwhile?')
    server.say('s_1', 'still ', 'here')
    await until(() => text(handle) === 'still here')
    await until(() => handle.session.notice === en.waitsForKernel)
    expect(handle.session.state).toBe('live')
    expect(relay.asked.filter(({ method }) => method === 'POST')).toEqual([])
    relay.busy = false
    await until(() => handle.session.outbox.length === 0)
    expect(handle.session.notice).toBeNull()
    expect(relay.asked.filter(({ method }) => method === 'POST').length).toBe(1)
    expect(server.streams).toBe(1)
  })

  test('only a few requests lie in front of a busy kernel; what nobody wants any more is not asked', async () => {
    relay.busy = true
    const asked = range(1, 20).map((n) => {
      const wanted = new AbortController()
      const answer = kernel.fetch(new URL(`agents?${n}`, API), { headers: { Accept: 'application/json' }, signal: wanted.signal })
      return { wanted, ended: answer.then(({ status }) => status, (error: unknown) => error) }
    })
    await until(() => relay.unread === 4)
    for (const { wanted } of asked.slice(2, 19)) wanted.abort('not any more')
    relay.busy = false
    const ended = await Promise.all(asked.map(({ ended }) => ended))
    expect(ended).toEqual([200, 200, ...Array.from({ length: 17 }, () => 'not any more'), 200])
    expect(relay.asked.map(({ path }) => path)).toEqual(['1', '2', '3', '4', '20'].map((n) => `api/agents?${n}`))
  })

  test('what has gone with its widget goes on with another one', async () => {
    const handle = await streaming()
    server.say('s_1', 'one ')
    await until(() => text(handle) === 'one ')
    kernel.join(relay.widget(), closing.signal)
    widget.abort()
    server.say('s_1', 'two ')
    await until(() => text(handle) === 'one two ')
    expect(relay.running).toBe(1)
    expect(handle.session.gaps).toBe(0)
    expect(server.requests.at(-1)?.query.getAll('after')).toEqual(['s_1:5'])
  })

  test('one widget that two views show gives every piece once, and the one that stays goes on', async () => {
    const model = relay.widget()
    const views = [new AbortController(), new AbortController()] as const
    for (const view of views) kernel.join(model, view.signal)
    widget.abort()
    const handle = await streaming()
    server.say('s_1', 'one ', 'two ')
    await until(() => text(handle) === 'one two ')
    const body = await kernel.fetch(new URL('agents', API), { headers: { Accept: 'application/json' } })
    expect(await body.json()).toEqual(await (await fetch(new URL('agents', server.api))).json())
    views[1].abort()
    server.say('s_1', 'three ')
    await until(() => text(handle) === 'one two three ')
    expect(handle.session.gaps).toBe(0)
    expect(relay.running).toBe(1)
  })

  test('what was in front of a widget that has gone holds up nothing: not what waited, nor what comes', async () => {
    const handle = await streaming()
    const blocked = new AbortController()
    const silent = { ...relay.widget(), send: () => undefined }
    kernel.join(silent, blocked.signal)
    const asked = range(1, 6).map(async (n) => {
      const answer = kernel.fetch(new URL(`agents?${n}`, API), { headers: { Accept: 'application/json' } })
      return answer.then(({ status }) => status, () => 'gone')
    })
    await until(() => kernel.waits)
    blocked.abort()
    expect(await Promise.all(asked)).toEqual(['gone', 'gone', 'gone', 'gone', 200, 200])
    await until(() => !kernel.waits && handle.session.notice === null)
  })

  test('a kernel that was started anew goes on from the last event that the page has', async () => {
    const handle = await streaming()
    server.say('s_1', 'before ')
    await until(() => text(handle) === 'before ')
    relay.die()
    server.say('s_1', 'meanwhile ')
    const next = new FakeKernel(server)
    kernel.join(next.widget(), closing.signal)
    widget.abort() // the cell was run again: its old output is gone
    await until(() => text(handle) === 'before meanwhile ')
    expect(next.asked.map(({ path }) => decodeURIComponent(path))).toEqual(['api/events?after=s_1:5&seen=s_1'])
    expect(handle.session.gaps).toBe(0)
  })

  test('a page says that it has read what it has room for, and no more', async () => {
    server.begin('s_1')
    server.say('s_1', 'x'.repeat(3 << 20))
    const { body } = await kernel.fetch(new URL('sessions/s_1', API), { headers: { Accept: 'application/json' } })
    await until(() => relay.running === 0)
    expect(relay.read).toBeLessThan(3 << 19)
    expect((await new Response(body).text()).length).toBeGreaterThan(3 << 20)
  })

  test('a hidden page keeps its stream: the kernel might not read for another', async () => {
    const handle = await streaming()
    browser.hide(true)
    handle.see(false)
    server.end('s_1')
    await until(() => handle.session.transcript?.turn === null)
    expect(relay.running).toBe(1)
    handle.close()
    await until(() => relay.running === 0)
  })
})
