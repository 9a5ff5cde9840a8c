/**
 * A chat server on a real socket, with the HTTP contract of docs/architecture.md and faults to order.
 *
 * A session that nobody has filled does not exist. `spoil` gets the frames that a stream is about to send and says what
 * becomes of them; `answer` may take a request over.
 */

import { setMaxListeners } from 'node:events'
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'

import type { WireEvent } from '../../src/events'
import { fold } from '../../src/fold'
import { emptyTranscript } from '../../src/transcript'

/** How many sessions the server lets one stream follow. */
export const MAX_FOLLOWED = 64

interface Body {
  client_id?: string
  message_id?: string
  message_ids?: string[]
  model?: string
  text?: string
  turn_id?: string
  approved?: boolean
  reason?: string
  output?: unknown
  parts?: unknown[]
}

const AGENTS = { default: 'demo', agents: [{ name: 'demo', description: '', models: [], efforts: [], available: true, why: null }] }

interface Reader {
  response: ServerResponse
  positions: Map<string, number>
  sent: number
  /** What a proxy has of it, and has not handed on yet. */
  held: Buffer
  /** Which one it is, from 1, of the streams that were asked for these sessions. */
  attempt: number
  /** It is told of the list of sessions, too. */
  lists: boolean
}

export class ChatServer {
  readonly requests: { method: string; path: string; query: URLSearchParams; xsrf: string; accept: string }[] = []
  readonly readers = new Set<Reader>()
  answer: (request: IncomingMessage, response: ServerResponse, url: URL) => boolean = () => false
  spoil: (frames: string[], attempt: number) => string[] = (frames) => frames
  /** Bytes of the stream after which its socket is destroyed. */
  cutAfter: (reader: Reader) => number = () => Infinity
  /** Bytes that a proxy in front of the server collects of a stream before it hands them on. */
  holdsBack = 0
  /** Milliseconds that a page waits for its first event, at most. */
  longPoll = 20_000
  version = 'test'
  /** Whether a message that is sent waits for its turn. */
  queues = false
  /** What was uploaded, by its address, as the request said it. */
  readonly files = new Map<string, { bytes: Buffer; mediaType: string }>()
  readonly #grown = new EventTarget()
  readonly #attempts = new Map<string, number>()
  readonly #sessions = new Map<string, WireEvent[]>()
  readonly #server: Server

  static async start(port = 0): Promise<ChatServer> {
    const server = new ChatServer()
    await new Promise<void>((resolve) => server.#server.listen(port, '127.0.0.1', resolve))
    return server
  }

  constructor() {
    setMaxListeners(0, this.#grown)
    this.#server = createServer((request, response) => void this.#handle(request, response))
  }

  get port(): number {
    return (this.#server.address() as AddressInfo).port
  }

  get api(): URL {
    return new URL(`http://127.0.0.1:${this.port}/user/a%40b/durable-chat/api/`)
  }

  /** How many streams were asked for. */
  get streams(): number {
    return this.requests.filter(({ path, accept }) => path === '/events' && accept === 'text/event-stream').length
  }

  /** How many pages were asked for. */
  get pages(): number {
    return this.requests.filter(({ path, accept }) => path === '/events' && accept === 'application/json').length
  }

  async close(): Promise<void> {
    const closed = new Promise((resolve) => this.#server.close(resolve))
    this.#server.closeAllConnections()
    await closed
  }

  /** End the streams in good order. */
  endStreams(): void {
    for (const { response } of this.readers) response.end()
    this.readers.clear()
  }

  /** These sessions look different in a list: whoever asked to be told is. */
  list(...changed: string[]): void {
    for (const reader of this.readers) if (reader.lists) this.#write(reader, [frame('sessions', { changed })])
  }

  append(session: string, ...events: Record<string, unknown>[]): void {
    const log = this.#log(session)
    for (const event of events) {
      log.push({ at: `at ${log.length + 1}`, turn: null, ...event, lsn: log.length + 1 } as WireEvent)
    }
    for (const reader of this.readers) this.#feed(reader)
    this.#grown.dispatchEvent(new Event('grown'))
  }

  /** A session with a running turn `t_1`, whose text is streaming. */
  begin(session: string): void {
    this.append(
      session,
      { type: 'session-created', session },
      { type: 'user-message', message_id: 'm_1', client_id: 'c_1', text: 'Why?' },
      { type: 'turn-started', turn: 't_1', user_message_id: 'm_1', message_id: 'm_2', agent: 'demo' },
      { type: 'text-start', turn: 't_1', id: 'x' },
    )
  }

  say(session: string, ...pieces: string[]): void {
    this.append(session, ...pieces.map((delta) => ({ type: 'text-delta', turn: 't_1', id: 'x', delta })))
  }

  end(session: string): void {
    this.append(session, { type: 'turn-stopped', turn: 't_1', outcome: 'completed' })
  }

  delete(session: string): void {
    this.#sessions.delete(session)
    for (const reader of this.readers) this.#feed(reader)
    this.#grown.dispatchEvent(new Event('grown'))
  }

  lsn(session: string): number {
    return this.#sessions.get(session)?.length ?? 0
  }

  events(session: string): WireEvent[] {
    return this.#sessions.get(session) ?? []
  }

  #log(session: string): WireEvent[] {
    let log = this.#sessions.get(session)
    if (!log) this.#sessions.set(session, (log = []))
    return log
  }

  async #handle(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const url = new URL(request.url ?? '/', this.api)
    const path = url.pathname.slice(this.api.pathname.length - 1)
    const { method = 'GET', headers } = request
    const [xsrf, accept] = [String(headers['x-xsrftoken'] ?? ''), String(headers.accept ?? '')]
    this.requests.push({ method, path, query: url.searchParams, xsrf, accept })
    if (this.answer(request, response, url)) return
    if (path === '/events' && accept === 'application/json') return this.#page(response, url.searchParams)
    if (path === '/events') return this.#stream(response, url.searchParams)
    if (path === '/agents') return reply(response, 200, AGENTS)
    const [, session = '', command = ''] = /^\/sessions\/([^/]+)\/?(.*)$/.exec(path) ?? []
    if (!this.#sessions.has(session)) {
      return reply(response, 404, { message: `There is no session '${session}'.`, code: 'unknown-session' })
    }
    if (command === '' && method === 'GET') return reply(response, 200, fold(emptyTranscript(), this.events(session)))
    if (command.startsWith('attachments')) return void this.#attachment(request, response, url)
    const body = JSON.parse((await request.toArray()).join('') || '{}') as Body
    const { client_id } = body
    const known = client_id && this.events(session).some((event) => 'client_id' in event && event.client_id === client_id)
    const [name = '', message_id = ''] = command.split('/').map(decodeURIComponent)
    const waits = fold(emptyTranscript(), this.events(session)).queue.some(({ id }) => id === message_id)
    if (`${method} ${name}` === 'PATCH queue' && message_id && !waits) {
      return reply(response, 409, { message: `Message ${message_id} does not wait any more.`, code: 'not-waiting' })
    }
    const fact = this.#facts(body, message_id)[`${method} ${name}${message_id && '/ID'}`]
    if (!known) this.append(session, fact as Record<string, unknown>)
    reply(response, 200, { lsn: this.lsn(session) })
  }

  /** What each command adds to the log. A message starts no turn. */
  #facts(body: Body, message_id: string): Record<string, Record<string, unknown>> {
    const { parts } = body
    const said = { message_id: `m_${body.client_id}`, client_id: body.client_id, text: body.text, ...(parts ? { parts } : {}) }
    const running = { turn: 't_1' }
    const turn = `t_${body.client_id}`
    const started = { type: 'turn-started', turn, client_id: body.client_id, agent: 'demo', user_message_id: 'm_1' }
    return {
      'POST messages': this.queues ? { type: 'message-queued', turn, ...said } : { type: 'user-message', ...said },
      'POST stop': { type: 'turn-stopped', turn: body.turn_id, outcome: 'stopped' },
      'POST retry':
        body.text === undefined
          ? { ...started, message_id: `m_${body.client_id}`, model: body.model }
          : { type: 'user-message', parent: null, ...said },
      'POST continue': { ...started, message_id: body.message_id },
      'POST branch': { type: 'branch-selected', message_id: body.message_id },
      'PATCH queue': { type: 'queue-reordered', message_ids: body.message_ids },
      'POST queue/ID': { type: 'queue-resumed' },
      'PATCH queue/ID': { type: 'queue-edited', message_id, text: body.text },
      'PATCH ': { ...body, type: 'session-updated' },
      'POST approvals/ID': {
        ...running,
        type: 'approval-answered',
        approval_id: message_id,
        tool_call_id: 'c/1',
        approved: body.approved,
        ...(body.reason ? { reason: body.reason } : {}),
      },
      'POST tools/ID': { ...running, type: 'tool-output-available', toolCallId: message_id, output: body.output },
      'DELETE queue/ID': { type: 'message-dequeued', message_id, reason: 'removed' },
    }
  }

  async #attachment(request: IncomingMessage, response: ServerResponse, url: URL): Promise<void> {
    const hash = 'ab'.repeat(32)
    if (request.method === 'POST') {
      const mediaType = String(request.headers['content-type'])
      const bytes = Buffer.concat((await request.toArray()) as Buffer[])
      this.files.set(hash, { bytes, mediaType })
      return reply(response, 201, { url: `attachment:${hash}`, mediaType, filename: url.searchParams.get('filename'), size: bytes.length })
    }
    const file = this.files.get(url.pathname.split('/').at(-1) ?? '')
    if (!file) return reply(response, 404, { message: 'There is no such attachment.', code: 'unknown-attachment' })
    response.writeHead(200, { 'Content-Type': file.mediaType })
    response.end(file.bytes)
  }

  #page(response: ServerResponse, query: URLSearchParams): void {
    const positions = positionsOf(query.getAll('after'))
    const items = () => [...positions].flatMap(([session, after]) => this.#items(session, after))
    const answer = () => {
      clearTimeout(timer)
      this.#grown.removeEventListener('grown', grown)
      reply(response, 200, { version: this.version, items: items() })
    }
    const grown = () => items().some((item) => !('caught_up' in item)) && answer()
    const timer = setTimeout(answer, Math.min(this.longPoll, Number(query.get('wait')) * 1000))
    this.#grown.addEventListener('grown', grown)
    grown()
    response.on('close', () => {
      clearTimeout(timer)
      this.#grown.removeEventListener('grown', grown)
    })
  }

  #items(session: string, after: number): Record<string, unknown>[] {
    const log = this.#sessions.get(session)
    if (!log || after > log.length) {
      return [{ session, gone: { session, status: log ? 409 : 404, message: `There is no session '${session}'.` } }]
    }
    const events = log.slice(after)
    return [...(events.length > 0 ? [{ session, events }] : []), { session, caught_up: log.length }]
  }

  #stream(response: ServerResponse, query: URLSearchParams): void {
    const positions = positionsOf(query.getAll('after'))
    if (positions.size > MAX_FOLLOWED) return reply(response, 400, { message: 'Too many sessions.', code: 'too-many' })
    const sessions = [...positions.keys()].join()
    const attempt = (this.#attempts.get(sessions) ?? 0) + 1
    this.#attempts.set(sessions, attempt)
    const reader: Reader = { response, positions, sent: 0, held: Buffer.alloc(0), attempt, lists: query.get('sessions') === '1' }
    response.writeHead(200, { 'Content-Type': 'text/event-stream' })
    response.on('close', () => this.readers.delete(reader))
    this.readers.add(reader)
    this.#write(reader, [`retry: 1\n\n`, frame('hello', { version: this.version, sessions: [...positions.keys()], stream: 'v_1' })])
    this.#feed(reader)
    for (const [session, lsn] of positions) this.#write(reader, [frame('caught-up', { session, lsn })])
  }

  #feed(reader: Reader): void {
    for (const [session, position] of reader.positions) {
      const log = this.#sessions.get(session)
      if (!log || position > log.length) {
        reader.positions.delete(session)
        const status = log ? 409 : 404
        this.#write(reader, [frame('gone', { session, status, message: `There is no session '${session}'.` })])
        continue
      }
      reader.positions.set(session, log.length)
      const frames = log.slice(position).map((event) => frame('', { session, ...event }))
      this.#write(reader, this.spoil(frames, reader.attempt))
    }
  }

  #write(reader: Reader, frames: string[]): void {
    reader.held = Buffer.concat([reader.held, Buffer.from(frames.join(''))])
    const whole = reader.held.length - (this.holdsBack && reader.held.length % this.holdsBack)
    const bytes = reader.held.subarray(0, whole)
    reader.held = reader.held.subarray(whole)
    const room = this.cutAfter(reader) - reader.sent
    reader.sent += bytes.length
    if (bytes.length <= room) reader.response.write(bytes)
    else reader.response.write(bytes.subarray(0, Math.max(room, 0)), () => reader.response.destroy())
  }
}

function positionsOf(after: string[]): Map<string, number> {
  return new Map(after.map((text) => text.split(':') as [string, string]).map(([id, lsn]) => [id, +lsn]))
}

export function frame(name: string, data: unknown): string {
  return `${name && `event: ${name}\n`}data: ${JSON.stringify(data)}\n\n`
}

export function reply(response: ServerResponse, status: number, body: unknown): void {
  response.writeHead(status, { 'Content-Type': 'application/json' })
  response.end(JSON.stringify(body))
}
