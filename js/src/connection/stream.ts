/**
 * One event stream for many sessions, each delivered strictly in order: after LSN n only n + 1.
 *
 * What is followed says where to start, what is delivered moves the position, and whatever ends a connection is answered
 * by the next one from the positions reached. So nothing is delivered twice, and a hole is never delivered over: the
 * session is given up as `lost`, for its readers to read it anew.
 */

import { createParser, type EventSourceMessage } from 'eventsource-parser'

import type { WireEvent } from '../events'
import type { Transcript } from '../transcript'
import { Backoff } from './backoff'
import { HttpError, request } from './http'
import type { FromHub, LinkState } from './protocol'

/** What a stream tells. */
export type Told = Extract<FromHub, { type: 'state' | 'events' | 'snapshot' | 'gone' | 'lost' | 'dropped' }>

export interface StreamOptions {
  /** Ends with `/durable-chat/api/`. */
  api: URL
  /** The token as it is now. */
  xsrf(): Promise<string>
  tell(told: Told): void
  backoff?: Backoff
  /** A server says something every 15 s. Milliseconds without anything after which the connection counts as dead. */
  silence?: number
}

type SessionEvent = WireEvent & { session: string }

/** Why a connection was ended from here. */
const CHANGED = 'other sessions are followed'
const SILENT = 'nothing was heard for too long'

/** As many sessions as the server lets one stream follow. */
export const MAX_FOLLOWED = 64

/** Milliseconds in which sessions that come together are collected into one request. */
const TOGETHER = 5

export class Stream {
  readonly #options: StreamOptions
  readonly #backoff: Backoff
  /** Those that were seen or heard of last stand last. */
  #positions = new Map<string, number>()
  /** What the present connection was asked for and still delivers. */
  #carried = new Set<string>()
  #connection: AbortController | null = null
  #batch = new Map<string, WireEvent[]>()
  #timer: ReturnType<typeof setTimeout> | undefined
  #silence: ReturnType<typeof setTimeout> | undefined
  #state: LinkState = { state: 'connecting', text: null }
  #loginRefused = false
  #attempted = 0

  constructor(options: StreamOptions) {
    this.#options = options
    this.#backoff = options.backoff ?? new Backoff()
  }

  get state(): LinkState {
    return this.#state
  }

  /** Up to which LSN a followed session is delivered. */
  position(session: string): number | undefined {
    return this.#positions.get(session)
  }

  /**
   * Deliver what comes after `lsn`. A session that is followed already stays where it is. Are there too many, the one that
   * was seen or heard of least recently is dropped, which is this one if it is not `seen`.
   */
  follow(session: string, lsn: number, seen = true): void {
    const have = this.#positions.get(session)
    if (seen) this.#move(session, have ?? lsn)
    else if (have === undefined) this.#positions = new Map([[session, lsn], ...this.#positions])
    if (have !== undefined) return
    const [first] = this.#positions.keys()
    if (first !== undefined && this.#positions.size > MAX_FOLLOWED) this.#drop(first)
    if (this.#positions.has(session)) this.#restart(TOGETHER)
  }

  unfollow(session: string): void {
    if (!this.#positions.delete(session)) return
    this.#carried.delete(session)
    if (this.#positions.size === 0) this.close()
  }

  /** Connect now, whether waiting for the next attempt or connected to who knows what. Many who ask at once are one. */
  retry(): void {
    if (this.#positions.size > 0 && Date.now() - this.#attempted > 1000) this.#restart(0)
  }

  close(): void {
    this.#positions.clear()
    clearTimeout(this.#timer)
    this.#disconnect(CHANGED)
    this.#setState({ state: 'connecting', text: null })
  }

  #move(session: string, lsn: number): void {
    this.#positions.delete(session)
    this.#positions.set(session, lsn)
  }

  #drop(session: string): void {
    this.unfollow(session)
    this.#options.tell({ type: 'dropped', session })
  }

  #restart(delay: number): void {
    clearTimeout(this.#timer)
    this.#timer = setTimeout(() => void this.#connect(), delay)
  }

  #disconnect(reason: string): void {
    clearTimeout(this.#silence)
    this.#carried = new Set()
    this.#connection?.abort(reason)
    this.#connection = null
  }

  async #connect(): Promise<void> {
    this.#disconnect(CHANGED)
    this.#attempted = Date.now()
    const connection = new AbortController()
    this.#connection = connection
    let wait: number
    try {
      await this.#read(connection.signal)
      wait = this.#ended()
    } catch (error) {
      if (connection.signal.aborted && connection.signal.reason !== SILENT) return
      wait = this.#failed(error)
    }
    this.#disconnect(CHANGED)
    if (this.#positions.size > 0) this.#restart(wait)
  }

  /** Until the connection ends; raises when it breaks. */
  async #read(signal: AbortSignal): Promise<void> {
    this.#hearing()
    const xsrf = await this.#options.xsrf()
    signal.throwIfAborted()
    const asked = [...this.#positions]
    const response = await request(this.#url(asked), { accept: 'text/event-stream', xsrf, signal })
    const unmoved = asked.filter(([session, lsn]) => this.#positions.get(session) === lsn)
    this.#carried = new Set(unmoved.map(([session]) => session))
    this.#loginRefused = false
    const parser = createParser({
      onEvent: (message) => this.#heard(message),
      onRetry: (milliseconds) => {
        this.#backoff.base = milliseconds
      },
    })
    const reader = (response.body as ReadableStream<BufferSource>).pipeThrough(new TextDecoderStream()).getReader()
    for (;;) {
      const { done, value } = await reader.read()
      signal.throwIfAborted()
      if (done) return
      this.#hearing()
      try {
        parser.feed(value)
      } finally {
        this.#deliver()
      }
    }
  }

  #url(positions: [string, number][]): URL {
    const url = new URL('events', this.#options.api)
    for (const [session, lsn] of positions) url.searchParams.append('after', `${session}:${lsn}`)
    return url
  }

  #hearing(): void {
    clearTimeout(this.#silence)
    this.#silence = setTimeout(() => this.#connection?.abort(SILENT), this.#options.silence ?? 40_000)
  }

  #heard({ event, data }: EventSourceMessage): void {
    const value: unknown = JSON.parse(data)
    switch (event) {
      case undefined:
        return this.#take(value as SessionEvent)
      case 'hello':
        this.#backoff.succeeded()
        return this.#setState({ state: 'live', text: null })
      case 'caught-up':
        return this.#caughtUp(value as { session: string; lsn: number })
      case 'snapshot':
        return this.#replace(value as Transcript)
      case 'gone':
        return this.#gone(value as { session: string; status: number; message: string })
    }
  }

  #take({ session, ...rest }: SessionEvent): void {
    if (!this.#carried.has(session)) return
    // The one event that names its session on a stream of its own too.
    const event = rest.type === 'session-created' ? { ...rest, session } : rest
    const have = this.#positions.get(session) as number
    if (event.lsn <= have) return
    if (event.lsn !== have + 1) return this.#lose(session, 'gap')
    this.#move(session, event.lsn)
    const batch = this.#batch.get(session)
    if (batch) batch.push(event)
    else this.#batch.set(session, [event])
  }

  /** All is delivered that there was when the stream was asked: a hole at the end shows here. */
  #caughtUp({ session, lsn }: { session: string; lsn: number }): void {
    if (!this.#carried.has(session)) return
    if (lsn > (this.#positions.get(session) as number)) return this.#lose(session, 'gap')
  }

  #replace(transcript: Transcript): void {
    const session = transcript.id
    if (!this.#carried.has(session)) return
    this.#deliver()
    this.#positions.set(session, transcript.lsn)
    this.#options.tell({ type: 'snapshot', session, transcript })
  }

  /** This session cannot be read on; the others can. */
  #gone({ session, status, message }: { session: string; status: number; message: string }): void {
    if (!this.#carried.has(session)) return
    if (status === 409) return this.#lose(session, 'ahead')
    if (status !== 404 && status !== 410) throw new HttpError(status, message)
    this.#deliver()
    this.unfollow(session)
    this.#options.tell({ type: 'gone', session, text: message })
  }

  #lose(session: string, reason: 'gap' | 'ahead'): void {
    this.#deliver()
    this.unfollow(session)
    this.#options.tell({ type: 'lost', session, reason })
  }

  #deliver(): void {
    const batch = this.#batch
    if (batch.size === 0) return
    this.#batch = new Map()
    for (const [session, events] of batch) this.#options.tell({ type: 'events', session, events })
  }

  /** The server ended it in good order: it goes away, or wants readers to come again. */
  #ended(): number {
    this.#setState({ state: 'connecting', text: null })
    return this.#backoff.failed()
  }

  #failed(error: unknown): number {
    const failure = error instanceof HttpError ? error : new HttpError(0)
    if (failure.login && !this.#loginRefused) {
      // The token may have been renewed meanwhile, by this very answer too.
      this.#loginRefused = true
      return 0
    }
    this.#setState({ state: 'offline', status: failure.status, text: failure.message })
    return this.#backoff.failed((failure.retrySeconds ?? 0) * 1000)
  }

  #setState(state: LinkState): void {
    if (JSON.stringify(this.#state) === JSON.stringify(state)) return
    this.#state = state
    this.#options.tell({ type: 'state', ...state })
  }
}
