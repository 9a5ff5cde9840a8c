/**
 * A page's end of its port to the hub: the shared worker's, or, where there is none or it does not start, one in the page.
 *
 * Whatever becomes of the hub, the page hears `unknown` when it has to say again what it follows.
 */

import { type Fetch, xsrfToken } from './http'
import { Lazy } from '../lazy'
import type { HubOptions } from './hub'
import type { FromHub, ToHub } from './protocol'

/** Most pages find it in the worker. */
const hubs = new Lazy(() => import('./hub'))

/** Milliseconds in which a worker that starts at all has answered, on a busy machine too. One that cannot start says so. */
const START = 20_000

/** Milliseconds between signs of life; two of them without an answer, and the worker is taken for dead. */
const PING = 25_000

export interface LinkOptions {
  api: URL
  /** The shared worker's script, of the page's origin; `null`: a hub in the page. */
  worker: URL | null
  hear(message: FromHub): void
  hub?: HubOptions
  /** How the hub in the page asks. */
  fetch?: Fetch
  signal: AbortSignal
  ping?: number
}

export class Link {
  readonly #options: LinkOptions
  #port: MessagePort
  #shared = false
  #heard = false
  #starting: ReturnType<typeof setTimeout> | undefined

  constructor(options: LinkOptions) {
    this.#options = options
    this.#port = this.#join()
    const { signal } = options
    const ping = setInterval(() => this.#ping(), options.ping ?? PING)
    addEventListener('pagehide', () => this.send({ type: 'bye' }), { signal })
    addEventListener('pageshow', ({ persisted }) => persisted && this.#rejoin(), { signal })
    signal.addEventListener('abort', () => {
      clearInterval(ping)
      this.#leave()
    })
  }

  /** Whether the hub outlives this page and serves others; one in the page is no better than the page. */
  get shared(): boolean {
    return this.#shared
  }

  send(message: ToHub): void {
    this.#port.postMessage(message)
  }

  #join(): MessagePort {
    const { worker } = this.#options
    if (worker === null || typeof SharedWorker === 'undefined') return this.#joinOwn()
    try {
      const shared = new SharedWorker(worker, { name: 'jupyter-durable-chat' })
      shared.onerror = () => this.#fallBack(shared.port)
      this.#starting = setTimeout(() => this.#fallBack(shared.port), START)
      this.#shared = true
      return this.#greet(shared.port)
    } catch {
      // A content security policy forbids workers.
      return this.#joinOwn()
    }
  }

  #joinOwn(): MessagePort {
    const { port1, port2 } = new MessageChannel()
    const { hub, fetch } = this.#options
    void hubs.load().then(({ Hub }) => new Hub({ ...hub, ...(fetch ? { fetch } : {}) }).connect(port2)) // what is said until then waits in the port
    this.#shared = false
    return this.#greet(port1)
  }

  #greet(port: MessagePort): MessagePort {
    this.#heard = true
    port.onmessage = ({ data }: MessageEvent<FromHub>) => this.#hear(data)
    const hello: ToHub = { type: 'hello', api: this.#options.api.href, xsrf: xsrfToken() }
    port.postMessage(hello)
    return port
  }

  #hear(message: FromHub): void {
    clearTimeout(this.#starting)
    this.#heard = true
    if (message.type === 'xsrf?') return this.send({ type: 'xsrf', xsrf: xsrfToken() })
    if (message.type === 'unknown') return this.#rejoin()
    if (message.type !== 'pong') this.#options.hear(message)
  }

  #ping(): void {
    if (!this.#heard) return this.#restart()
    this.#heard = false
    this.send({ type: 'ping' })
  }

  #rejoin(): void {
    this.#greet(this.#port)
    this.#options.hear({ type: 'unknown' })
  }

  #restart(): void {
    this.#leave()
    this.#port = this.#join()
    this.#options.hear({ type: 'unknown' })
  }

  #fallBack(port: MessagePort): void {
    if (port !== this.#port) return
    this.#leave()
    this.#port = this.#joinOwn()
    this.#options.hear({ type: 'unknown' })
  }

  #leave(): void {
    clearTimeout(this.#starting)
    this.send({ type: 'bye' })
    this.#port.onmessage = null
    this.#port.close()
  }
}
