/**
 * One event stream for many sessions, each delivered strictly in order: after LSN n only n + 1.
 *
 * What is followed says where to start, what is delivered moves the position, and whatever ends a connection is answered
 * by the next one from the positions reached. So nothing is delivered twice, and a hole is never delivered over: the
 * session is given up as `lost`, for its readers to read it anew.
 *
 * A proxy may hold a stream back. A server says `hello`, and how far each session is, at once, and something at least
 * every 15 s; where that is not heard in time, the same events are asked for in pages, each a whole answer. Beside the pages a
 * stream is tried from time to time, and takes over when it gets through. Both deliver what comes after the same positions,
 * so it does not matter which is faster.
 */

import { createParser, type EventSourceMessage } from 'eventsource-parser'

import type { WireEvent } from '../events'
import type { Transcript } from '../transcript'
import { Backoff } from './backoff'
import { Carrier } from './carrier'
import { type Fetch, HttpError, request } from './http'
import { type FromHub, isInbox, type LinkState, type Presence } from './protocol'

/** What a stream tells. */
export type Told = Extract<FromHub, { type: 'state' | 'events' | 'snapshot' | 'gone' | 'lost' | 'dropped' | 'listed' | 'presence' | 'version' }>

export interface StreamOptions {
  /** Ends with `/durable-chat/api/`. */
  api: URL
  /** The token as it is now. */
  xsrf(): Promise<string>
  tell(told: Told): void
  /** How to ask; absent: as the browser does. */
  fetch?: Fetch
  backoff?: Backoff
  /** Milliseconds without anything after which a connection counts as dead. */
  silence?: number
  /** Milliseconds in which a server that is there has said what it says at once. */
  patience?: number
  /** Milliseconds until a stream is tried beside pages; each time that it does not get through, twice as long. */
  probe?: number
}

type SessionEvent = WireEvent & { session: string }

interface Gone {
  session: string
  status: number
  message: string
}

/** What a page says of a session. */
type Item =
  | { session: string; events: WireEvent[] }
  | { session: string; snapshot: Transcript }
  | { session: string; caught_up: number }
  | { session: string; gone: Gone }

/** What a stream begins with. */
interface Greeting {
  version?: string
  keep_alive?: number
  stream?: string
}

/** A followed session, from when it is followed until it is not. */
interface Position {
  lsn: number
}

/** As many sessions as the server lets one stream follow. */
export const MAX_FOLLOWED = 64

/** Milliseconds in which sessions that come together are collected into one request. */
const TOGETHER = 5

const PATIENCE = 10_000

/** Milliseconds without anything that are a pause in what a server has to say at once. */
const PAUSE = 1000

/** Milliseconds that a sign of life may be late, at most; where they come often, so is one missed. */
const GRACE = 25_000
const MISSED = 3

/** Milliseconds between the signs of life of a server that does not say. */
const KEEP_ALIVE = 15_000

const PROBE = 15_000
const MOST_PROBE = 300_000

/** Milliseconds after the end of a stream that got through in which nobody is told: the next one is nearly there. */
const UNTOLD = 2000

/** Streams that fail one after the other before they do, before pages are tried. */
const FAILURES = 3

/** Seconds that a page waits for its first event, at most and at least. */
const WAIT = 20
const LEAST_WAIT = 1

/** Milliseconds from one page to the next, so that the pieces of an answer come together; longer where nothing is said. */
const PACE = 200
const IDLE_PACE = 1000

export class Stream {
  readonly #options: StreamOptions
  readonly #backoff: Backoff
  /** Those that were seen or heard of last stand last. */
  #positions = new Map<string, Position>()
  #way: 'stream' | 'pages' = 'stream'
  /** The present connection. */
  #main: Carrier | null = null
  /** A stream that is tried beside pages. */
  #probing: Carrier | null = null
  #batch = new Map<string, WireEvent[]>()
  #timer: ReturnType<typeof setTimeout> | undefined
  #probeTimer: ReturnType<typeof setTimeout> | undefined
  #untold: ReturnType<typeof setTimeout> | undefined
  #probeAt = 0
  #probeDelay: number
  #state: LinkState = { state: 'connecting', text: null }
  #loginRefused = false
  #attempted = 0
  /** Streams that failed since one got through, or a page did. */
  #failures = 0
  /** A page came since pages were begun with. */
  #paged = false
  #wait = WAIT
  /** What is in sight, of what is followed or will be; and of it, what the present stream, which has this name, was told. */
  #seen = new Set<string>()
  #told = ''
  #name: string | null = null
  #keepAlive = KEEP_ALIVE
  /** Whether somebody shows the list of sessions, and whether the present stream was asked to tell of it. */
  #lists = false
  #asksLists = false

  constructor(options: StreamOptions) {
    this.#options = options
    this.#backoff = options.backoff ?? new Backoff()
    this.#probeDelay = this.#firstProbe
  }

  get state(): LinkState {
    return this.#state
  }

  /** Up to which LSN a followed session is delivered. */
  position(session: string): number | undefined {
    return this.#positions.get(session)?.lsn
  }

  /**
   * Deliver what comes after `lsn`. A session that is followed already stays where it is. Are there too many, the one that
   * was seen or heard of least recently is dropped, which is this one if it is not `seen`.
   */
  follow(session: string, lsn: number, seen = true): void {
    const have = this.#positions.get(session)
    if (have) return seen ? this.#touch(session, have) : undefined
    if (seen) this.#positions.set(session, { lsn })
    else this.#positions = new Map([[session, { lsn }], ...this.#positions])
    // An inbox is heard of seldom, and always wanted.
    const first = [...this.#positions.keys()].find((session) => !isInbox(session))
    if (first !== undefined && this.#positions.size > MAX_FOLLOWED) this.#drop(first)
    if (this.#positions.has(session)) this.#restart(TOGETHER)
  }

  /** These are in sight, of what is followed or will be: the server tells nobody else of them. */
  see(sessions: Iterable<string>): void {
    this.#seen = new Set(sessions)
    void this.#tellSight()
  }

  /** Whether changes of the list of sessions are told. */
  get lists(): boolean {
    return this.#lists
  }

  /** Tell of those changes, or do not: a stream that was asked for them goes on as it is. */
  list(wanted: boolean): void {
    this.#lists = wanted
    if (wanted && !this.#asksLists && this.#positions.size > 0) this.#restart(TOGETHER)
  }

  /** Somebody types there; `null`: nowhere any more. Where that does not come to the server, it is of no use later. */
  type(session: string | null): void {
    if (this.#name !== null) void this.#say({ stream: this.#name, typing: session })
  }

  unfollow(session: string): void {
    if (!this.#positions.delete(session)) return
    this.#main?.drop(session)
    this.#probing?.drop(session)
    if (this.#positions.size === 0) this.close()
  }

  /** Connect now, whether waiting for the next attempt or connected to who knows what. Many who ask at once are one. */
  retry(): void {
    if (this.#positions.size === 0 || Date.now() - this.#attempted <= 1000) return
    this.#probeAt = 0
    this.#restart(0)
  }

  close(): void {
    this.#positions.clear()
    clearTimeout(this.#timer)
    this.#disconnect()
    this.#setState({ state: 'connecting', text: null })
  }

  get #inSight(): string[] {
    return [...this.#seen].filter((session) => this.#positions.has(session)).sort()
  }

  get #patience(): number {
    return this.#options.patience ?? PATIENCE
  }

  get #firstProbe(): number {
    return this.#options.probe ?? PROBE
  }

  #touch(session: string, position: Position): void {
    this.#positions.delete(session)
    this.#positions.set(session, position)
  }

  #drop(session: string): void {
    this.unfollow(session)
    this.#options.tell({ type: 'dropped', session })
  }

  // Connections

  #restart(delay: number): void {
    clearTimeout(this.#timer)
    this.#timer = setTimeout(() => this.#connect(), delay)
  }

  #disconnect(): void {
    clearTimeout(this.#probeTimer)
    this.#main?.end()
    this.#probing?.end()
    this.#main = this.#probing = this.#name = null
  }

  #connect(): void {
    this.#disconnect()
    this.#attempted = Date.now()
    this.#main = new Carrier()
    void this.#run(this.#main, this.#way === 'stream' ? this.#read(this.#main) : this.#turnPages(this.#main))
  }

  /** Until this connection ends; then make the next one. */
  async #run(carrier: Carrier, reading: Promise<void>): Promise<void> {
    const failure = await reading.then(
      () => null,
      (error: unknown) => (error instanceof HttpError ? error : new HttpError(0)),
    )
    if (carrier.unwanted) return
    if (carrier === this.#probing) return this.#notThrough(carrier)
    if (failure?.code === 'unknown-session') return this.#refused(failure)
    const wait = failure ? this.#failed(failure, carrier) : this.#ended()
    this.#disconnect()
    if (this.#positions.size > 0) this.#restart(wait)
  }

  /** Ask from where each session is: raises when this is not wanted any more, or refused. */
  async #ask(carrier: Carrier, accept: 'text/event-stream' | 'application/json', wait?: number): Promise<Response> {
    const { signal } = carrier
    const xsrf = await this.#options.xsrf()
    signal.throwIfAborted()
    const asked = [...this.#positions]
    const url = new URL('events', this.#options.api)
    for (const [session, { lsn }] of asked) url.searchParams.append('after', `${session}:${lsn}`)
    const seen = this.#inSight
    for (const session of seen.length > 0 ? seen : ['']) url.searchParams.append('seen', session)
    this.#told = seen.join(' ')
    if (wait !== undefined) url.searchParams.set('wait', String(wait))
    else if (this.#lists) url.searchParams.set('sessions', '1')
    this.#asksLists = this.#lists
    const { fetch } = this.#options
    // A kernel asks for whoever looks at what it shows.
    if (!fetch) url.searchParams.set('presence', '1')
    const response = await request(url, { accept, xsrf, signal, ...(fetch ? { fetch } : {}) })
    this.#loginRefused = false
    // What was followed anew meanwhile, from wherever, was not asked for.
    const same = asked.filter(([session, position]) => this.#positions.get(session) === position)
    carrier.carry(same.map(([session]) => session))
    return response
  }

  // A stream

  /** Until the connection ends; raises when it breaks. */
  async #read(carrier: Carrier): Promise<void> {
    carrier.expect(this.#patience)
    const response = await this.#ask(carrier, 'text/event-stream')
    let greeted = false
    const parser = createParser({
      onEvent: (message) => {
        if (message.event === 'hello') greeted = true
        this.#heard(carrier, message)
      },
      onRetry: (milliseconds) => {
        this.#backoff.base = milliseconds
      },
    })
    const reader = (response.body as ReadableStream<BufferSource>).pipeThrough(new TextDecoderStream()).getReader()
    let heard = Date.now()
    let end = ''
    for (;;) {
      const { done, value } = await reader.read()
      carrier.signal.throwIfAborted()
      if (done) return
      try {
        parser.feed(value)
      } finally {
        this.#deliver()
      }
      // The server says whole things. What was cut is the rest of something that fills its pieces before it hands them on.
      end = (end + value).slice(-2)
      const isWhole = end === '\n\n'
      if (greeted && !carrier.owes && isWhole) this.#through(carrier)
      // Much that comes without a pause is no sign that it is held back; a piece now and then is.
      if (carrier.through) carrier.expect(isWhole ? (this.#options.silence ?? this.#keepAlive + Math.min(GRACE, MISSED * this.#keepAlive)) : this.#patience)
      else if (Date.now() - heard < PAUSE) carrier.expect(this.#patience)
      heard = Date.now()
    }
  }

  #heard(carrier: Carrier, { event, data }: EventSourceMessage): void {
    const value: unknown = JSON.parse(data)
    switch (event) {
      case undefined:
        return this.#take(carrier, value as SessionEvent)
      case 'hello':
        return this.#greeted(value as Greeting)
      case 'sessions':
        return this.#listed((value as { changed: string[] }).changed)
      case 'caught-up':
        return this.#caughtUp(carrier, value as { session: string; lsn: number })
      case 'snapshot':
        return this.#replace(carrier, value as Transcript)
      case 'gone':
        return this.#gone(carrier, value as Gone)
      case 'presence':
        return this.#met(carrier, value as Presence)
    }
  }

  #met(carrier: Carrier, { session, people }: Presence): void {
    if (carrier.carries(session)) this.#options.tell({ type: 'presence', session, people })
  }

  #greeted({ keep_alive, stream, version }: Greeting): void {
    this.#introduced(version)
    this.#name = stream ?? null
    void this.#tellSight()
    this.#keepAlive = keep_alive === undefined ? KEEP_ALIVE : keep_alive * 1000
    this.#backoff.succeeded()
    this.#setState({ state: 'live', text: null })
    this.#listed(null)
  }

  #introduced(version: string | undefined): void {
    if (version === undefined) return
    for (const session of this.#positions.keys()) if (isInbox(session)) this.#options.tell({ type: 'version', session, version })
  }

  #listed(changed: string[] | null): void {
    if (this.#lists) this.#options.tell({ type: 'listed', changed })
  }

  /** Say what is in sight to the server at the other end of the present stream. The next one says it when it is asked for. */
  async #tellSight(): Promise<void> {
    const stream = this.#name
    const sessions = this.#inSight
    const { fetch } = this.#options
    // A busy kernel would seem to keep a message waiting, when it is only this.
    if (stream === null || fetch || sessions.join(' ') === this.#told) return
    this.#told = sessions.join(' ')
    await this.#say({ stream, sessions })
  }

  async #say(body: { stream: string; sessions?: string[]; typing?: string | null }): Promise<void> {
    const { api, xsrf } = this.#options
    try {
      await request(new URL('watching', api), { accept: 'application/json', xsrf: await xsrf(), method: 'POST', body })
    } catch (error) {
      // The next change says it all; so does the next stream.
      if (!(error instanceof HttpError)) throw error
    }
  }

  /** Nothing holds this stream back. */
  #through(carrier: Carrier): void {
    if (carrier.through) return
    carrier.through = true
    this.#failures = 0
    this.#way = 'stream'
    if (carrier !== this.#probing) return
    this.#main?.end()
    this.#main = carrier
    this.#probing = null
  }

  #probeLater(): void {
    clearTimeout(this.#probeTimer)
    this.#probeTimer = setTimeout(() => this.#probe(), Math.max(0, this.#probeAt - Date.now()))
  }

  #probe(): void {
    this.#probing = new Carrier()
    void this.#run(this.#probing, this.#read(this.#probing))
  }

  #notThrough(carrier: Carrier): void {
    carrier.end()
    this.#probing = null
    this.#probeDelay = Math.min(MOST_PROBE, 2 * this.#probeDelay)
    this.#probeAt = Date.now() + this.#probeDelay
    this.#probeLater()
  }

  // Pages

  /** Page after page, until one does not come. The first one does not wait: it shows whether there is a server. */
  async #turnPages(carrier: Carrier): Promise<void> {
    this.#probeLater()
    for (let wait = 0; this.#positions.size > 0; wait = this.#wait) {
      const pace = wait === 0 ? 0 : IDLE_PACE
      const asked = Date.now()
      carrier.through = wait > 0
      carrier.expect(wait * 1000 + this.#patience)
      const response = await this.#ask(carrier, 'application/json', wait)
      const { items, presence = [], version } = (await response.json()) as { items: Item[]; presence?: Presence[]; version?: string }
      carrier.signal.throwIfAborted()
      carrier.rest()
      try {
        for (const item of items) this.#turned(carrier, item)
        for (const met of presence) this.#met(carrier, met)
        this.#introduced(version)
      } finally {
        this.#deliver()
      }
      this.#paged = true
      this.#failures = 0
      this.#backoff.succeeded()
      this.#setState({ state: 'live', text: null })
      this.#listed(null) // pages do not tell
      const isNews = items.some((item) => 'events' in item)
      await this.#pause(carrier, asked + (isNews ? PACE : pace) - Date.now())
    }
  }

  async #pause(carrier: Carrier, milliseconds: number): Promise<void> {
    if (milliseconds > 0) await new Promise((resolve) => setTimeout(resolve, milliseconds))
    carrier.signal.throwIfAborted()
  }

  #turned(carrier: Carrier, item: Item): void {
    const { session } = item
    if ('events' in item) for (const event of item.events) this.#next(carrier, session, event)
    else if ('snapshot' in item) this.#replace(carrier, item.snapshot)
    else if ('caught_up' in item) this.#caughtUp(carrier, { session, lsn: item.caught_up })
    else this.#gone(carrier, item.gone)
  }

  // What was heard

  #take(carrier: Carrier, { session, ...rest }: SessionEvent): void {
    // The one event that names its session on a stream of its own too.
    const event = rest.type === 'session-created' ? { ...rest, session } : rest
    this.#next(carrier, session, event)
  }

  #next(carrier: Carrier, session: string, event: WireEvent): void {
    if (!carrier.carries(session)) return
    const position = this.#positions.get(session) as Position
    if (event.lsn <= position.lsn) return
    if (event.lsn !== position.lsn + 1) return this.#lose(session, 'gap')
    position.lsn = event.lsn
    this.#touch(session, position)
    const batch = this.#batch.get(session)
    if (batch) batch.push(event)
    else this.#batch.set(session, [event])
  }

  /** All is delivered that there was when the stream was asked: a hole at the end shows here. */
  #caughtUp(carrier: Carrier, { session, lsn }: { session: string; lsn: number }): void {
    if (!carrier.carries(session)) return
    if (lsn > (this.#positions.get(session) as Position).lsn) return this.#lose(session, 'gap')
    carrier.paid(session)
  }

  #replace(carrier: Carrier, transcript: Transcript): void {
    const session = transcript.id
    if (!carrier.carries(session)) return
    const position = this.#positions.get(session) as Position
    if (transcript.lsn <= position.lsn) return
    this.#deliver()
    position.lsn = transcript.lsn
    this.#options.tell({ type: 'snapshot', session, transcript })
  }

  /** This session cannot be read on; the others can. */
  #gone(carrier: Carrier, { session, status, message }: Gone): void {
    if (!carrier.carries(session)) return
    if (status === 409) return this.#lose(session, 'ahead')
    if (status !== 404 && status !== 410) throw new HttpError(status, message)
    this.#deliver()
    this.unfollow(session)
    this.#options.tell({ type: 'gone', session, text: message })
  }

  /** What a guest is told in place of a stream: the link that all of it came by holds no more. */
  #refused({ message }: HttpError): void {
    for (const session of [...this.#positions.keys()]) {
      this.unfollow(session)
      this.#options.tell({ type: 'gone', session, text: message })
    }
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

  // How it ended

  /** The server ended it in good order: it goes away, or wants readers to come again. */
  #ended(): number {
    this.#tellSoon()
    return this.#backoff.failed()
  }

  /** A connection that is cut now and then is one that lasts, to a person. */
  #tellSoon(): void {
    clearTimeout(this.#untold)
    this.#untold = setTimeout(() => this.#setState({ state: 'connecting', text: null }), UNTOLD)
  }

  #failed(failure: HttpError, carrier: Carrier): number {
    if (failure.login && !this.#loginRefused) {
      // The token may have been renewed meanwhile, by this very answer too.
      this.#loginRefused = true
      return 0
    }
    if (this.#way === 'pages' && failure.unreachable && carrier.through) {
      // Something in between waits less long than a page does. The next one, which does not wait, shows whether that is all.
      this.#wait = Math.max(LEAST_WAIT, this.#wait / 2)
      return IDLE_PACE
    }
    const isHeldBack = this.#way === 'stream' && carrier.silent
    if (isHeldBack || failure.unreachable) this.#tryOtherWay(isHeldBack)
    if (isHeldBack) {
      this.#setState({ state: 'connecting', text: null })
      return 0
    }
    if (carrier.through && failure.status === 0) this.#tellSoon()
    else this.#setState({ state: 'offline', status: failure.status, text: failure.message })
    return this.#backoff.failed((failure.retrySeconds ?? 0) * 1000)
  }

  /** Where streams are held back, or fail again and again, pages may come; where none ever came, streams may. */
  #tryOtherWay(isHeldBack: boolean): void {
    if (this.#way === 'pages') {
      if (!this.#paged) this.#way = 'stream'
      return
    }
    this.#failures += 1
    if (!isHeldBack && this.#failures < FAILURES) return
    this.#way = 'pages'
    this.#paged = false
    this.#wait = WAIT
    // A stream that got through for long was not held back by what is always there.
    if (Date.now() - this.#attempted > MOST_PROBE) this.#probeDelay = this.#firstProbe
    this.#probeAt = Date.now() + this.#probeDelay
  }

  #setState(state: LinkState): void {
    clearTimeout(this.#untold)
    if (JSON.stringify(this.#state) === JSON.stringify(state)) return
    this.#state = state
    this.#options.tell({ type: 'state', ...state })
  }
}
