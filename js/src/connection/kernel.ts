/**
 * Requests by way of the kernel, for pages that cannot reach the server: `fetch` over the custom messages of a widget.
 *
 * Whichever widget of the kernel came last carries a request, from its first word to its last; one that goes takes its
 * requests with it, and whoever asked asks again. A busy kernel reads nothing, and its threads speak all the same: so what
 * runs goes on, no more than a few requests lie in front of it, and `waits` says that they do. What a page has not read yet
 * is bounded, too: the kernel sends no more than it was told is read.
 */

import type { Fetch } from './http'

/** A widget's model, as anywidget gives it to a view. */
export interface Model {
  on(event: string, hear: (message: unknown, buffers?: DataView[]) => void): void
  off(event: string, hear: (message: unknown, buffers?: DataView[]) => void): void
  send(message: unknown, callbacks?: undefined, buffers?: ArrayBuffer[]): unknown
}

/** A view's way to the kernel. Two views of one widget are two: each hears all that is said. */
interface Way {
  readonly model: Model
}

/** What the kernel says of a request. */
type Said =
  /** It was read. */
  | { type: 'received'; id: string }
  | { type: 'response'; id: string; status: number; headers: Record<string, string> }
  /** A piece of the body is in the buffer. */
  | { type: 'body'; id: string }
  | { type: 'end'; id: string }
  /** There was no answer, or no more of it. */
  | { type: 'failed'; id: string }

/** Requests that lie in front of the kernel, at most: the others wait here, where they can be taken back. */
const AHEAD = 4

/** Milliseconds after which a kernel that has read nothing counts as busy. */
const BUSY = 1500

/** Bytes of a body that are kept here until they are read, and of which the kernel is told at once. */
const KEPT = 1 << 20
const TOLD = 1 << 17

const NO_BODY = [204, 205, 304]

/** This page, among all that the kernel's widgets are shown on: they all hear everything. */
const PAGE = Array.from(crypto.getRandomValues(new Uint8Array(8)), (byte) => byte.toString(16).padStart(2, '0')).join('')

export class Kernel {
  /** The last one carries. */
  #ways: Way[] = []
  #count = 0
  readonly #exchanges = new Map<string, Exchange>()
  /** Of what was sent the way that carries: what the kernel has not read yet, taken back or not. */
  readonly #ahead = new Set<string>()
  #behind: Exchange[] = []
  #timer: ReturnType<typeof setTimeout> | null = null
  readonly #watchers = new Set<() => void>()
  /** The kernel does not read. */
  waits = false

  /** Requests may go this way until `signal`. */
  join(model: Model, signal: AbortSignal): void {
    const way = { model }
    const hear = (message: unknown, buffers?: DataView[]) => this.#hear(way, message as Said, buffers)
    model.on('msg:custom', hear)
    this.#ways.push(way)
    this.#carryAnew()
    const leave = () => {
      model.off('msg:custom', hear)
      const carried = this.#carrier === way
      this.#ways = this.#ways.filter((other) => other !== way)
      for (const exchange of [...this.#exchanges.values()]) if (exchange.carrier === way) this.#drop(exchange, new TypeError('The widget has gone.'))
      if (carried) this.#carryAnew()
    }
    signal.addEventListener('abort', leave, { once: true })
  }

  /** Calls `changed` when `waits` has changed. */
  watch(changed: () => void): void {
    this.#watchers.add(changed)
  }

  readonly fetch: Fetch = async (url, { method = 'GET', headers, body, signal }) => {
    const { Accept: accept, 'Content-Type': media_type } = headers as Record<string, string>
    const id = `${PAGE}:${++this.#count}`
    const path = url.pathname.slice('/durable-chat/'.length) + url.search
    const text = typeof body === 'string' ? { body } : {}
    const file = body instanceof Blob ? [await body.arrayBuffer()] : []
    signal?.throwIfAborted()
    const exchange = new Exchange({ type: 'request', id, method, path, accept, media_type, ...text }, file, {
      read: (bytes) => this.#tell(exchange, { type: 'read', id, bytes }),
      drop: (reason) => this.#drop(exchange, reason),
    })
    signal?.addEventListener('abort', () => this.#drop(exchange, signal.reason), { once: true })
    this.#exchanges.set(id, exchange)
    this.#behind.push(exchange)
    this.#sendNext()
    return exchange.response
  }

  get #carrier(): Way | undefined {
    return this.#ways.at(-1)
  }

  /** What went another way is no sign of what the one that carries now does. */
  #carryAnew(): void {
    this.#ahead.clear()
    this.#sendNext()
  }

  #sendNext(): void {
    const carrier = this.#carrier
    while (carrier && this.#ahead.size < AHEAD) {
      const exchange = this.#behind.shift()
      if (!exchange) break
      exchange.carrier = carrier
      this.#ahead.add(exchange.request.id)
      this.#tell(exchange, exchange.request, exchange.file)
    }
    if (this.#ahead.size === 0) this.#reads()
    else this.#timer ??= setTimeout(() => this.#become(true), BUSY)
  }

  #reads(): void {
    if (this.#timer !== null) clearTimeout(this.#timer)
    this.#timer = null
    this.#become(false)
  }

  #become(waits: boolean): void {
    if (this.waits === waits) return
    this.waits = waits
    for (const changed of this.#watchers) changed()
  }

  #tell(exchange: Exchange, message: object, buffers: ArrayBuffer[] = []): void {
    const fail = () => this.#drop(exchange, new TypeError('The kernel is not there.'))
    try {
      // Some hosts give a promise, and others raise.
      void Promise.resolve(exchange.carrier?.model.send(message, undefined, buffers)).catch(fail)
    } catch {
      fail()
    }
  }

  #hear(way: Way, said: Said, buffers: DataView[] = []): void {
    if (way === this.#carrier && this.#ahead.delete(said.id)) {
      this.#reads()
      this.#sendNext()
    }
    const exchange = this.#exchanges.get(said.id)
    if (exchange?.carrier !== way) return
    if (said.type === 'response') exchange.begin(said.status, said.headers)
    else if (said.type === 'body') for (const buffer of buffers) exchange.add(copied(buffer))
    else if (said.type !== 'received') {
      this.#exchanges.delete(said.id)
      exchange.end(said.type === 'end' ? null : new TypeError('The kernel has no answer.'))
    }
  }

  /** Nobody wants the answer any more, or there will be none. */
  #drop(exchange: Exchange, reason: unknown): void {
    const { id } = exchange.request
    if (!this.#exchanges.delete(id)) return
    this.#behind = this.#behind.filter((other) => other !== exchange)
    exchange.end(reason)
    if (exchange.carrier) this.#tell(exchange, { type: 'drop', id })
  }
}

/** One request, and what comes of it. */
class Exchange {
  readonly response: Promise<Response>
  /** What carries it, once it was sent. */
  carrier: Way | null = null
  #resolve!: (response: Response) => void
  #reject!: (reason: unknown) => void
  #body: ReadableStreamDefaultController<Uint8Array<ArrayBuffer>> | null = null
  #taken = 0

  constructor(
    readonly request: { id: string; [name: string]: unknown },
    readonly file: ArrayBuffer[],
    readonly asker: { read(bytes: number): void; drop(reason: unknown): void },
  ) {
    this.response = new Promise((resolve, reject) => {
      this.#resolve = resolve
      this.#reject = reject
    })
  }

  begin(status: number, headers: Record<string, string>): void {
    const stream = new ReadableStream<Uint8Array<ArrayBuffer>>(
      {
        start: (body) => {
          this.#body = body
        },
        pull: () => this.#tell(),
        cancel: (reason) => {
          this.#body = null
          this.asker.drop(reason)
        },
      },
      new ByteLengthQueuingStrategy({ highWaterMark: KEPT }),
    )
    this.#resolve(new Response(NO_BODY.includes(status) ? null : stream, { status, headers }))
  }

  add(piece: Uint8Array<ArrayBuffer>): void {
    this.#taken += piece.byteLength
    this.#body?.enqueue(piece)
  }

  end(reason: unknown): void {
    if (reason === null) this.#body?.close()
    else this.#body?.error(reason)
    this.#body = null
    this.#reject(reason ?? new TypeError('The kernel has said nothing.'))
  }

  /** There is room for more. */
  #tell(): void {
    if (this.#taken < TOLD) return
    this.asker.read(this.#taken)
    this.#taken = 0
  }
}

/** What a host gives may be a view of a larger message, which it uses again. */
function copied({ buffer, byteOffset, byteLength }: DataView): Uint8Array<ArrayBuffer> {
  return new Uint8Array(buffer as ArrayBuffer, byteOffset, byteLength).slice()
}
