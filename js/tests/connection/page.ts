/** Pages of a browser as far as the connection needs them: documents that may be hidden, and a shared worker. */

import { setMaxListeners } from 'node:events'

import { vi } from 'vitest'

import { Backoff } from '../../src/connection/backoff'
import { Connection, type Handle } from '../../src/connection/connection'
import { Hub } from '../../src/connection/hub'

const backoff = () => new Backoff(1, 5)

/** Everything in this process is one browser: what a page sees of it is global. */
export class Browser {
  readonly #document = Object.assign(new EventTarget(), { hidden: false, cookie: 'a=b; _xsrf=2|ab|12; c=d' })
  readonly #window = new EventTarget()
  readonly #closing = new AbortController()
  readonly kept = new Kept()
  /** The shared worker, started when it is first asked for; `null`: this browser has none. */
  worker: 'works' | 'fails' | null = 'works'
  #hub: Hub | null = null
  readonly #ports: MessagePort[] = []

  constructor() {
    setMaxListeners(0, this.#closing.signal)
    vi.stubGlobal('document', this.#document)
    vi.stubGlobal('localStorage', this.kept)
    vi.stubGlobal('addEventListener', this.#window.addEventListener.bind(this.#window))
    const connect = () => this.#connect()
    vi.stubGlobal(
      'SharedWorker',
      class {
        readonly port = connect()
        onerror: (() => void) | null = null
        constructor() {
          if (!this.port) throw new Error('this browser has no shared worker')
          if (worker() === 'fails') setTimeout(() => this.onerror?.())
        }
      },
    )
    const worker = () => this.worker
  }

  #connect(): MessagePort | null {
    if (this.worker === null) return null
    const { port1, port2 } = new MessageChannel()
    this.#ports.push(port2)
    if (this.worker === 'works') (this.#hub ??= new Hub({ backoff: backoff() })).connect(port2)
    return port1
  }

  /** The worker is gone, without a word to anybody; whoever asks for one gets a new one. */
  killWorker(): void {
    for (const port of this.#ports.splice(0)) port.onmessage = null
    this.#hub = null
  }

  /** All pages go into the back-forward cache. */
  leave(): void {
    this.#window.dispatchEvent(new Event('pagehide'))
  }

  /** They come back from there. */
  comeBack(): void {
    this.#window.dispatchEvent(Object.assign(new Event('pageshow'), { persisted: true }))
  }

  /** All pages hear of what was kept and forgotten since the last time, also those that did it. */
  spread(): void {
    for (const key of this.kept.changed.splice(0)) this.#window.dispatchEvent(Object.assign(new Event('storage'), { key }))
  }

  /** A page of the server, which looks every `ping` milliseconds whether the worker lives. */
  open(api: URL, ping = 25_000): Connection {
    return new Connection({
      api,
      worker: new URL('worker.js', api),
      signal: this.#closing.signal,
      hub: { backoff: backoff() },
      ping,
      backoff,
    })
  }

  hide(hidden: boolean): void {
    this.#document.hidden = hidden
    this.#document.dispatchEvent(new Event('visibilitychange'))
  }

  close(): void {
    this.#closing.abort()
    vi.unstubAllGlobals()
  }
}

/** What the browser keeps. */
class Kept implements Storage {
  readonly #items = new Map<string, string>()
  readonly changed: string[] = []
  /** Whether nothing more can be kept. */
  full = false

  get length(): number {
    return this.#items.size
  }

  key(index: number): string | null {
    return [...this.#items.keys()][index] ?? null
  }

  getItem(key: string): string | null {
    return this.#items.get(key) ?? null
  }

  setItem(key: string, value: string): void {
    if (this.full) throw new DOMException('full', 'QuotaExceededError')
    this.#items.set(key, value)
    this.changed.push(key)
  }

  removeItem(key: string): void {
    if (this.#items.delete(key)) this.changed.push(key)
  }

  clear(): void {
    this.#items.clear()
  }
}

/** A cell that shows a session, in sight. */
export function show(connection: Connection, session: string): Handle {
  const handle = connection.open(session, () => undefined)
  handle.see(true)
  return handle
}

/** The text of the last message. */
export function text({ session }: Handle): string {
  const parts = session.transcript?.messages.at(-1)?.parts ?? []
  return parts.map((part) => ('text' in part ? part.text : '')).join('')
}
