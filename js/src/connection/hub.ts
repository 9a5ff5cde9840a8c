/**
 * The one reader of this browser: pages at their ports, one stream for all that they follow.
 *
 * A page is served for as long as it speaks: it says `bye` when it goes, and one that died without a word is given up
 * after `PATIENCE`. One that was only frozen and speaks again is told `unknown` and joins anew.
 */

import { Backoff } from './backoff'
import type { Fetch } from './http'
import type { FromHub, ToHub } from './protocol'
import { Stream, type Told } from './stream'

/** Milliseconds. Hidden pages speak once a minute at least; frozen ones not at all. */
export const PATIENCE = 200_000

/** Milliseconds to wait for a page to give the XSRF token before the last known one is used. */
const XSRF_PATIENCE = 1000

/** Of what is told of a session, that after which it is not followed any more. */
const ENDS = new Set(['gone', 'lost', 'dropped'])

interface Page {
  port: MessagePort
  follows: Set<string>
  sees: string[]
  lists: boolean
  heard: number
}

export interface HubOptions {
  /** Milliseconds, as `Date.now` gives them. */
  now?: () => number
  backoff?: Backoff
  silence?: number
  patience?: number
  fetch?: Fetch
}

export class Hub {
  readonly #options: HubOptions
  readonly #now: () => number
  readonly #pages = new Map<MessagePort, Page>()
  /** Who was at each session that is followed, or who brings an inbox, as it was said last. */
  readonly #present = new Map<string, FromHub>()
  #stream: Stream | null = null
  #xsrf = ''
  #tokenGiven: ((xsrf: string) => void) | null = null
  /** The token that was asked for, by however many. */
  #asked: Promise<string> | null = null

  constructor(options: HubOptions = {}) {
    this.#options = options
    this.#now = options.now ?? Date.now
  }

  connect(port: MessagePort): void {
    port.onmessage = ({ data }: MessageEvent<ToHub>) => this.#hear(port, data)
  }

  #hear(port: MessagePort, message: ToHub): void {
    if (message.type === 'hello') return this.#welcome(port, message.api, message.xsrf)
    if (message.type === 'bye') return this.#forget(port)
    const page = this.#pages.get(port)
    if (!page || !this.#stream) return send(port, { type: 'unknown' })
    page.heard = this.#now()
    this.#giveUpTheDead()
    switch (message.type) {
      case 'follow':
        return this.#follow(page, this.#stream, message)
      case 'unfollow':
        page.follows.delete(message.session)
        return this.#release([message.session])
      case 'sight':
        page.sees = message.sessions
        return this.#look()
      case 'list':
        return this.#list(page, this.#stream, message.wanted)
      case 'typing':
        return this.#stream.type(message.typing ? message.session : null)
      case 'xsrf':
        this.#xsrf = message.xsrf
        this.#tokenGiven?.(message.xsrf)
        return
      case 'retry':
        return this.#stream.retry()
      case 'ping':
        return send(port, { type: 'pong' })
    }
  }

  #welcome(port: MessagePort, api: string, xsrf: string): void {
    this.#forget(port)
    this.#xsrf = xsrf
    this.#stream ??= new Stream({
      ...this.#options,
      api: new URL(api),
      xsrf: () => this.#freshToken(),
      tell: (told) => this.#tell(told),
    })
    this.#pages.set(port, { port, follows: new Set(), sees: [], lists: false, heard: this.#now() })
    send(port, { type: 'state', ...this.#stream.state })
  }

  #follow(page: Page, stream: Stream, { session, lsn, seen }: Extract<ToHub, { type: 'follow' }>): void {
    page.follows.add(session)
    stream.follow(session, lsn, seen)
    const position = stream.position(session)
    if (position !== undefined) send(page.port, { type: 'following', session, lsn: position })
    const present = this.#present.get(session)
    if (present) send(page.port, present)
  }

  #forget(port: MessagePort): void {
    const page = this.#pages.get(port)
    this.#pages.delete(port)
    if (!page) return
    this.#look()
    this.#settleLists()
    this.#release(page.follows)
  }

  /** What is in sight on any page is watched. */
  #look(): void {
    this.#stream?.see([...this.#pages.values()].flatMap(({ sees }) => sees))
  }

  /** What changed until now, the page has yet to read. */
  #list(page: Page, stream: Stream, wanted: boolean): void {
    page.lists = wanted
    if (wanted && stream.lists) send(page.port, { type: 'listed', changed: null })
    this.#settleLists()
  }

  #settleLists(): void {
    this.#stream?.list([...this.#pages.values()].some(({ lists }) => lists))
  }

  #giveUpTheDead(): void {
    const oldest = this.#now() - PATIENCE
    for (const { port, heard } of this.#pages.values()) if (heard < oldest) this.#forget(port)
  }

  /** Stop following what no page follows. */
  #release(sessions: Iterable<string>): void {
    for (const session of sessions) {
      if (this.#followers(session).length > 0) continue
      this.#stream?.unfollow(session)
      this.#present.delete(session)
    }
  }

  #followers(session: string): Page[] {
    return [...this.#pages.values()].filter(({ follows }) => follows.has(session))
  }

  #tell(told: Told): void {
    if (told.type === 'state') {
      for (const { port } of this.#pages.values()) send(port, told)
      return
    }
    if (told.type === 'listed') {
      for (const { port, lists } of this.#pages.values()) if (lists) send(port, told)
      return
    }
    if (told.type === 'presence' || told.type === 'version') this.#present.set(told.session, told)
    if (ENDS.has(told.type)) this.#present.delete(told.session)
    for (const page of this.#followers(told.session)) {
      if (ENDS.has(told.type)) page.follows.delete(told.session)
      send(page.port, told)
    }
  }

  /** The token as any living page knows it; cookies of a page are out of a worker's sight. */
  #freshToken(): Promise<string> {
    return (this.#asked ??= new Promise<string>((resolve) => {
      const timer = setTimeout(() => resolve(this.#xsrf), XSRF_PATIENCE)
      this.#tokenGiven = (xsrf) => {
        clearTimeout(timer)
        resolve(xsrf)
      }
      for (const { port } of this.#pages.values()) send(port, { type: 'xsrf?' })
    }).finally(() => (this.#asked = null)))
  }
}

function send(port: MessagePort, message: FromHub): void {
  port.postMessage(message)
}
