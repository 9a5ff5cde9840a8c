/** A kernel as far as a page knows it: it reads messages of its widgets while no cell runs, and forwards them to a server. */

import type { Model } from '../../src/connection/kernel'
import type { ChatServer } from './server'

interface Request {
  type: string
  id: string
  method: string
  path: string
  accept: string
  media_type?: string
  body?: string
  bytes?: number
}

/** Where the pages of one kernel are: all of them hear everything. */
export class FakeKernel {
  /** A cell runs. */
  #busy = false
  #unread: (() => void)[] = []
  readonly #hearers = new Set<(message: unknown, buffers: DataView[]) => void>()
  readonly #running = new Map<string, AbortController>()
  readonly asked: Request[] = []
  /** Bytes that pages said they have read. */
  read = 0

  constructor(readonly server: ChatServer) {}

  get busy(): boolean {
    return this.#busy
  }

  set busy(busy: boolean) {
    this.#busy = busy
    if (!busy) for (const read of this.#unread.splice(0)) read()
  }

  /** How many messages lie in front of it. */
  get unread(): number {
    return this.#unread.length
  }

  /** How many requests it forwards now. */
  get running(): number {
    return this.#running.size
  }

  /** The kernel ends, without a word to anybody. */
  die(): void {
    for (const controller of this.#running.values()) controller.abort()
    this.#hearers.clear()
    this.busy = true
  }

  widget(): Model {
    const own = new Set<(message: unknown, buffers?: DataView[]) => void>()
    this.#hearers.add((message, buffers) => own.forEach((hear) => hear(message, buffers)))
    return {
      on: (_, hear) => void own.add(hear),
      off: (_, hear) => void own.delete(hear),
      send: (message, _, buffers = []) => {
        const read = () => this.#hear(structuredClone(message) as Request, buffers)
        if (this.#busy) this.#unread.push(read)
        else queueMicrotask(read)
      },
    }
  }

  #say(message: object, bytes?: Uint8Array): void {
    const buffers = bytes ? [new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)] : []
    for (const hear of this.#hearers) hear(structuredClone(message), buffers)
  }

  #hear(request: Request, [file]: ArrayBuffer[]): void {
    const { type, id, bytes = 0 } = request
    if (type === 'request') void this.#forward(request, file)
    else if (type === 'drop') this.#running.get(id)?.abort()
    else this.read += bytes
  }

  async #forward({ id, ...request }: Request, file?: ArrayBuffer): Promise<void> {
    const { method, path, accept, media_type, body = file } = request
    this.asked.push({ id, ...request })
    this.#say({ type: 'received', id })
    const running = new AbortController()
    this.#running.set(id, running)
    try {
      const headers = { Accept: accept, ...(media_type ? { 'Content-Type': media_type } : {}) }
      const init = { method, headers, signal: running.signal, ...(body === undefined ? {} : { body }) }
      const response = await fetch(new URL(path, new URL('..', this.server.api)), init)
      this.#say({ type: 'response', id, status: response.status, headers: Object.fromEntries(response.headers) })
      for await (const piece of response.body ?? []) this.#say({ type: 'body', id }, piece)
      this.#say({ type: 'end', id })
    } catch {
      this.#say({ type: 'failed', id })
    } finally {
      this.#running.delete(id)
    }
  }
}
