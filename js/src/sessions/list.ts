/**
 * The list of sessions, as the server has it. Nothing here decides how a session looks: what is told is only that some
 * look different, and those are read again.
 *
 * The list is read in pages, the last used first, as far as somebody looks. What changes has either been used, and then it
 * is before all that was not, or it stands where it stood; so to see a change it is enough to read down to where the lowest
 * of the changed ones was. What was told of and is not there is deleted.
 */

import { json } from '../connection/ask'
import type { Backoff } from '../connection/backoff'
import type { Connection, Lister } from '../connection/connection'
import { HttpError, type Method } from '../connection/http'

/** What a session is for a person, that first which wants them soonest. */
export type SessionState = 'waiting' | 'streaming' | 'attention' | 'failed' | 'ready' | 'idle'

export interface Listed {
  id: string
  title: string | null
  notebook: string | null
  state: SessionState
  unread: boolean
  /** Absent in sessions that were last used before lists said it. */
  muted?: boolean
  preview: string
  messages: number
  updated_at: string
}

interface Answer {
  sessions: Listed[]
  before: string | null
}

/** As far as a list is read. */
interface Read {
  rows: readonly Listed[]
  /** There are more after it. */
  more: boolean
}

export type Phase = 'coming' | 'there' | 'failed'

/** Sessions that are read at once. */
export const PAGE = 100
/** What a server gives at once. */
const MOST = 1000

/** Milliseconds from one reading to the next: of what has changed, and of everything. */
const PACE = 1000
const SLOW_PACE = 3000

/** Milliseconds after the last key until it is searched for. */
const TYPING = 200

const NOTHING: Read = { rows: [], more: false }

export class SessionList implements Lister {
  readonly #connection: Connection
  readonly #changed: () => void
  readonly #backoff: Backoff
  #all = NOTHING
  #found = NOTHING
  #query = ''
  /** Told of, and not yet read. */
  #stale = new Set<string>()
  #staleAll = true
  #visible = false
  #extending = false
  #reading: Promise<void> | null = null
  #timer: ReturnType<typeof setTimeout> | undefined
  #readAt = Number.NEGATIVE_INFINITY
  phase: Phase = 'coming'
  /** Why it could not be read. */
  problem: string | null = null

  /** `changed` is called after every change, while it is seen. */
  constructor(connection: Connection, changed: () => void, signal: AbortSignal) {
    this.#connection = connection
    this.#changed = changed
    this.#backoff = connection.backoff()
    signal.addEventListener('abort', () => this.see(false))
  }

  /** Whether somebody looks: nothing is read for nobody. */
  see(visible: boolean): void {
    if (visible === this.#visible) return
    this.#visible = visible
    clearTimeout(this.#timer)
    if (!visible) return this.#connection.ignore(this)
    this.#connection.list(this)
    this.listed(null)
  }

  /** What there is to see: all, or what has the words searched for in a message, its title or its notebook's name. */
  get rows(): readonly Listed[] {
    const wanted = this.#query.toLowerCase()
    if (!wanted) return this.#all.rows
    const found = new Map(this.#found.rows.map((row) => [row.id, row]))
    for (const row of this.#all.rows) if (named(row).includes(wanted)) found.set(row.id, row)
    return [...found.values()].sort((one, other) => (one.updated_at < other.updated_at ? 1 : -1))
  }

  get more(): boolean {
    return this.#shown.more
  }

  get query(): string {
    return this.#query
  }

  /** No connection: what is seen is what was read last. */
  get offline(): string | null {
    const { state } = this.#connection
    return state.state === 'offline' ? state.text : this.phase === 'failed' ? this.problem : null
  }

  find(id: string): Listed | null {
    return [...this.#all.rows, ...this.#found.rows].find((row) => row.id === id) ?? null
  }

  search(query: string): void {
    const trimmed = query.trim()
    if (trimmed === this.#query) return
    this.#query = trimmed
    this.#found = NOTHING
    if (trimmed) {
      this.phase = 'coming'
      this.#staleAll = true
      this.#soon(TYPING)
    } else {
      this.phase = this.#all === NOTHING ? 'coming' : 'there'
    }
    this.#changed()
  }

  /** Read the next page. */
  async extend(): Promise<void> {
    const query = this.#query
    const { rows, more } = this.#shown
    const last = rows.at(-1)
    if (!more || !last || this.#extending) return
    this.#extending = true
    try {
      const next = await this.#read(query, PAGE, last.id)
      const have = new Set(this.#shown.rows.map(({ id }) => id))
      if (query === this.#query) this.#keep(query, [...this.#shown.rows, ...next.rows.filter(({ id }) => !have.has(id))], next.more)
    } catch (error) {
      if (!(error instanceof HttpError)) throw error
      this.listed(null) // which says what is wrong
    } finally {
      this.#extending = false
    }
    this.#changed()
  }

  retry(): void {
    this.#connection.retry()
    this.#readAt = Number.NEGATIVE_INFINITY
    this.listed(null)
  }

  // What is done to sessions

  async create(): Promise<string> {
    const { id } = await json<{ id: string }>(await this.#command('sessions', 'POST', {}))
    this.listed([id])
    return id
  }

  /** Raises `HttpError`. */
  async change(id: string, what: { title: string } | { muted: boolean }): Promise<void> {
    await this.#command(`sessions/${id}`, 'PATCH', what)
    this.listed([id])
  }

  /** One that is gone already is as good as deleted. Raises `HttpError`. */
  async delete(id: string): Promise<void> {
    try {
      await this.#connection.ask(new URL(`sessions/${id}`, this.#connection.api), { accept: 'application/json', method: 'DELETE' })
    } catch (error) {
      if (!(error instanceof HttpError && [404, 410].includes(error.status))) throw error
    }
    this.listed([id])
  }

  // What is heard

  listed(changed: readonly string[] | null): void {
    if (changed === null) this.#staleAll = true
    else for (const id of changed) this.#stale.add(id)
    if (this.#isStale) this.#soon()
  }

  linked(): void {
    this.#changed()
  }

  get #isStale(): boolean {
    return this.#staleAll || this.#stale.size > 0
  }

  get #shown(): Read {
    return this.#query ? this.#found : this.#all
  }

  #soon(atLeast = 0): void {
    if (!this.#visible || this.#reading) return
    clearTimeout(this.#timer)
    const pace = this.phase === 'coming' ? 0 : this.#staleAll || this.#query ? SLOW_PACE : PACE
    const wait = Math.max(atLeast, this.#readAt + pace - performance.now())
    this.#timer = setTimeout(() => (this.#reading = this.#catchUp().finally(() => this.#rest())), wait)
  }

  /** What was told of meanwhile comes next. */
  #rest(): void {
    this.#reading = null
    if (this.#isStale) this.#soon(this.phase === 'failed' ? this.#backoff.failed() : 0)
    this.#changed()
  }

  async #catchUp(): Promise<void> {
    const query = this.#query
    const stale = this.#staleAll ? null : this.#stale
    this.#stale = new Set()
    this.#staleAll = false
    this.#readAt = performance.now()
    try {
      const [all, found] = await Promise.all([this.#readAgain(stale), query ? this.#whole(query, this.#found) : NOTHING])
      this.#all = same(all, this.#all)
      if (query !== this.#query) return void (this.#staleAll = true)
      this.#found = same(found, this.#found)
      this.phase = 'there'
      this.problem = null
      this.#backoff.succeeded()
    } catch (error) {
      if (!(error instanceof HttpError)) throw error
      this.phase = 'failed'
      this.problem = error.message
      this.#staleAll = true
    }
  }

  /** All that was read, with the stale ones as they are now. */
  async #readAgain(stale: ReadonlySet<string> | null): Promise<Read> {
    const { rows, more } = this.#all
    if (stale === null) return this.#whole('', this.#all)
    const places = rows.flatMap(({ id }, place) => (stale.has(id) ? [place] : []))
    const unknown = stale.size - places.length
    const needed = Math.max(-1, ...places) + 1 + unknown
    if (needed > Math.min(rows.length, MOST)) return this.#whole('', this.#all)
    const top = await this.#read('', needed)
    if (!top.more) return top
    const fresh = new Set(top.rows.map(({ id }) => id))
    return { rows: [...top.rows, ...rows.filter(({ id }) => !fresh.has(id) && !stale.has(id))], more }
  }

  /** As much of it as there is already. */
  async #whole(query: string, { rows }: Read): Promise<Read> {
    return this.#read(query, Math.min(MOST, Math.max(PAGE, rows.length)))
  }

  async #read(query: string, limit: number, before?: string): Promise<Read> {
    const url = new URL('sessions', this.#connection.api)
    url.searchParams.set('limit', String(limit))
    if (query) url.searchParams.set('q', query)
    if (before !== undefined) url.searchParams.set('before', before)
    const answer = await json<Answer>(await this.#connection.ask(url, { accept: 'application/json' }))
    return { rows: answer.sessions, more: answer.before !== null }
  }

  #keep(query: string, rows: readonly Listed[], more: boolean): void {
    if (query) this.#found = { rows, more }
    else this.#all = { rows, more }
  }

  #command(path: string, method: Method, body: unknown): Promise<Response> {
    return this.#connection.ask(new URL(path, this.#connection.api), { accept: 'application/json', method, body })
  }
}

/** What was read, in which what is as it was before is the same object. */
function same({ rows, more }: Read, before: Read): Read {
  const known = new Map(before.rows.map((row) => [row.id, row]))
  return { rows: rows.map((row) => (isSame(row, known.get(row.id)) ? (known.get(row.id) as Listed) : row)), more }
}

function isSame(row: Listed, known: Listed | undefined): boolean {
  return known !== undefined && (Object.keys(row) as (keyof Listed)[]).every((name) => row[name] === known[name])
}

function named({ title, notebook }: Listed): string {
  return `${title ?? ''}\n${notebook ?? ''}`.toLowerCase()
}
