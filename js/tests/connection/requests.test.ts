// @vitest-environment jsdom
/**
 * All that a page asks of its server is written down with its version, for every later server to understand:
 * `tests/server/test_old_pages.py` asks them the same. What a released version asks never changes (`vitest -u` writes the present one).
 */

import { afterEach, beforeEach, expect, test, vi } from 'vitest'

import { version } from '../../package.json'
import { Attention, type Desk } from '../../src/attention'
import { ask } from '../../src/connection/ask'
import { Backoff } from '../../src/connection/backoff'
import type { Attentive, Connection } from '../../src/connection/connection'
import { type Line, Session } from '../../src/connection/session'
import { Stream } from '../../src/connection/stream'
import type { WireEvent } from '../../src/events'
import { fold } from '../../src/fold'
import { SessionList } from '../../src/sessions/list'
import { emptyTranscript, type Transcript } from '../../src/transcript'
import { until } from './until'

const API = new URL('http://localhost/durable-chat/api/')

interface Asked {
  method: string
  path: string
  query: [string, string][]
  accept: string
  body: unknown
}

let asked: Map<string, Asked>
let closing: AbortController
let streams: 'flow' | 'fail'

const transcript: Transcript = fold(
  emptyTranscript(),
  [
    { type: 'session-created', session: 's_1' },
    { type: 'user-message', message_id: 'm_1', client_id: 'c_1', text: 'Why?' },
    { type: 'turn-started', turn: 't_1', user_message_id: 'm_1', message_id: 'm_2', agent: 'scripted' },
    { type: 'tool-input-available', turn: 't_1', toolCallId: 'call_1', toolName: 'plot', input: {} },
    { type: 'tool-approval-request', turn: 't_1', toolCallId: 'call_1', approvalId: 'a_1' },
    { type: 'message-queued', turn: 't_2', message_id: 'm_3', client_id: 'c_3', text: 'And then?' },
  ].map((event, place) => ({ turn: null, ...event, lsn: place + 1, at: '2026-11-28T12:00:00.000Z' }) as WireEvent),
)

const inbox = {
  id: 'inbox_1',
  lsn: 1,
  notices: [{ session: 's_2', turn: 't_9', kind: 'done', wait: null, tool: null, lsn: 4, at: '', title: 'Why', text: '', notebook: null, read: false, quiet: false, claimed: null }],
  unread: 1,
  told: [],
}

/** What a server answers, as far as somebody reads it. */
function answer(path: string): unknown {
  if (path === 'sessions') return { sessions: [{ id: 's_1', title: 'Why', updated_at: '' }], before: 's_1' }
  if (path === 'inbox') return inbox
  if (path.startsWith('sessions/')) return { ...transcript, id: 's_1', allowed: true, share: { id: 'share_1' }, token: 'token' }
  return { items: [], claimed: true }
}

beforeEach(() => {
  asked = new Map()
  closing = new AbortController()
  streams = 'flow'
  vi.stubGlobal('fetch', async (url: URL, init: RequestInit) => {
    const { Accept: accept = '' } = init.headers as Record<string, string>
    const path = url.pathname.slice(API.pathname.length)
    const body: unknown = init.body instanceof Blob ? 'a file' : JSON.parse(named((init.body as string | undefined) ?? 'null'))
    const one: Asked = { method: init.method ?? 'GET', path, query: [...url.searchParams], accept, body }
    asked.set(JSON.stringify(one), one)
    if (accept !== 'text/event-stream') {
      const headers = { 'Content-Type': accept === '*/*' ? 'text/plain' : accept }
      return new Response(JSON.stringify(answer(path)), { headers })
    }
    if (streams === 'fail') throw new TypeError('cut')
    const hello = new TextEncoder().encode('event: hello\ndata: {"version":"1","stream":"v_1"}\n\n')
    const response = new ReadableStream({ start: (controller) => controller.enqueue(hello) })
    return new Response(response, { headers: { 'Content-Type': accept } })
  })
})

afterEach(() => {
  closing.abort()
  vi.unstubAllGlobals()
})

/** Without what is made up anew each time. */
function named(text: string): string {
  return text.replace(/\bc_[0-9a-f]{32}\b/g, 'c_9').replace(/\bp_\d+\b/g, 'p_1')
}

async function inTheChat(): Promise<void> {
  const line: Line = {
    api: API,
    state: { state: 'live', text: null },
    waits: false,
    direct: true,
    awake: true,
    isSeen: () => true,
    send: () => undefined,
    ask,
    changed: () => undefined,
    backoff: () => new Backoff(1, 5),
    agents: async (): Promise<never> => {
      await ask(new URL('agents', API), { accept: 'application/json' })
      throw new Error('nobody reads this')
    },
  }
  const session = new Session('s_1', line)
  await until(() => session.transcript !== null)
  const { signal } = closing
  session.send('And now?')
  session.send('With a file.', { parts: [{ type: 'file', mediaType: 'text/plain', url: `attachment:${'a'.repeat(64)}` }], agent: 'scripted', mode: 'ask' })
  session.retry('m_2', { model: 'demo' })
  session.retry('m_1', { text: 'Why not?' })
  await until(() => [...asked.values()].filter(({ path }) => path.endsWith('retry')).length === 2)
  session.continueAnswer('m_2')
  session.selectBranch('m_2')
  session.choose({ agent: 'scripted' })
  session.choose({ model: null, effort: null, mode: 'act' })
  session.editQueued('m_3', 'And after that?')
  session.reorderQueue(['m_3'])
  session.removeQueued('m_3')
  session.resumeQueue()
  await session.approve('a_1', true)
  await session.approve('a_1', false, 'Not that.')
  await session.answerCall('call_1', { answer: 42 })
  const { url } = { url: `attachment:${'a'.repeat(64)}` }
  await session.attachment(url, signal)
  await session.upload(new File(['text'], 'notes.txt', { type: 'text/plain' }), signal)
  await session.fork('m_2')
  for (const format of ['md', 'html', 'ipynb', 'json'] as const) await session.exported(format, signal)
  await session.mayShare()
  await session.makeLink({ name: 'for Bo', seconds: 3600 })
  await session.revokeLink('share_1')
  await session.agents(true).catch(() => null)
  session.stop()
  await until(() => [...asked.values()].some(({ path }) => path.endsWith('/stop')))
}

async function onTheStream(): Promise<void> {
  const open = () => new Stream({ api: API, xsrf: async () => 'token', tell: () => undefined, backoff: new Backoff(1, 5) })
  const stream = open()
  stream.see(['s_1'])
  stream.list(true)
  stream.follow('s_1', 3)
  await until(() => [...asked.values()].some(({ accept }) => accept === 'text/event-stream'))
  await until(() => stream.state.state === 'live')
  stream.see([])
  stream.type('s_1')
  stream.type(null)
  await until(() => [...asked.values()].filter(({ path }) => path === 'watching').length === 3)
  stream.close()
  streams = 'fail'
  const pages = open()
  pages.follow('s_1', 3)
  await until(() => [...asked.values()].some(({ query }) => query.some(([name, value]) => name === 'wait' && value !== '0')))
  pages.close()
}

async function aroundIt(): Promise<void> {
  const { signal } = closing
  let attentive: Attentive | undefined
  const sight = new Set<string>()
  const connection = {
    api: API,
    shared: true,
    state: { state: 'live', text: null },
    attend: (who: Attentive) => (attentive = who),
    isInSight: (id: string) => sight.has(id),
    backoff: () => new Backoff(1, 5),
    ask,
    send: () => undefined,
    list: () => undefined,
    ignore: () => undefined,
  } as unknown as Connection
  const desk: Desk = { open: () => undefined, say: async () => () => undefined, tell: async () => () => undefined }
  new Attention(connection, desk, signal)
  await until(() => [...asked.values()].some(({ path }) => path === 'inbox/claim'))
  sight.add('s_2')
  attentive?.look()
  const list = new SessionList(connection, () => undefined, signal)
  list.see(true)
  await until(() => list.phase === 'there')
  await list.extend()
  list.search('why')
  await until(() => [...asked.values()].some(({ query }) => query.some(([name]) => name === 'q')))
  await list.create()
  await list.change('s_1', { title: 'Why' })
  await list.change('s_1', { muted: true })
  await until(() => [...asked.values()].some(({ path }) => path === 'inbox/read'))
  await list.delete('s_1')
}

test('what this version asks of a server is written down', async () => {
  await inTheChat()
  await onTheStream()
  await aroundIt()
  const order = ({ method, path, query, body }: Asked) => [method === 'DELETE' ? 1 : 0, path, method, JSON.stringify([query, body])].join(' ')
  const all = [...asked.values()].sort((one, other) => (order(one) < order(other) ? -1 : 1))
  const written = `[\n${all.map((one) => JSON.stringify(one)).join(',\n')}\n]\n`
  await expect(written).toMatchFileSnapshot(`../../../tests/store/released/${version}/requests.json`)
})
