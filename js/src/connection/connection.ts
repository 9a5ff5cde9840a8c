/**
 * All sessions of this page, over one link.
 *
 * Events are wanted while a cell can be seen or a turn runs; else nothing is followed, and no stream is held open. With a
 * hub that lives in the page, they are not wanted while the page is hidden.
 */

import type { Agents } from '../view/types'
import { onKept } from '../storage'
import { ask, inWords, json } from './ask'
import { Backoff } from './backoff'
import { forgetOldDrafts } from './drafts'
import type { Fetch, Request } from './http'
import type { Kernel } from './kernel'
import { Link, type LinkOptions } from './link'
import { forgetOldMessages } from './outbox'
import { type FromHub, isInbox, type LinkState, type ToHub } from './protocol'
import { type Line, Session } from './session'

interface ConnectionOptions extends Omit<LinkOptions, 'hear'> {
  /** Who carries the requests; absent: the page asks the server itself. */
  kernel?: Kernel
  backoff?: () => Backoff
}

/** One who looks at a session. */
export interface Handle {
  readonly session: Session
  /** Whether it can be seen. */
  see(visible: boolean): void
  close(): void
}

/** Who wants to know what the person is told, and what they see. */
export interface Attentive {
  hear(message: FromHub & { session: string }): void
  /** What is in sight has changed. */
  look(): void
  /** The hub has forgotten what is followed. */
  join(): void
}

/** One who shows the list of sessions. */
export interface Lister {
  /** These sessions look different; `null`: any may. */
  listed(changed: readonly string[] | null): void
  /** The connection's state has changed. */
  linked(): void
}

interface Open {
  session: Session
  /** Whether each handle's place can be seen. */
  seen: Map<Handle, boolean>
  listeners: Map<Handle, () => void>
}

export class Connection implements Line {
  readonly api: URL
  state: LinkState = { state: 'connecting', text: null }
  awake = false
  #attentive: Attentive | null = null
  readonly #listers = new Set<Lister>()
  #sight = ''
  readonly #sessions = new Map<string, Open>()
  readonly #link: Link
  readonly #kernel: Kernel | null
  readonly #fetch: { fetch?: Fetch }
  readonly #newBackoff: () => Backoff
  #agents: Promise<Agents> | null = null

  constructor({ backoff, kernel, fetch = kernel?.fetch, ...options }: ConnectionOptions) {
    const { api, signal } = options
    this.api = api
    this.#newBackoff = backoff ?? (() => new Backoff())
    this.#kernel = kernel ?? null
    this.#fetch = fetch ? { fetch } : {}
    this.#link = new Link({ ...options, hear: (message) => this.#hear(message), ...this.#fetch })
    kernel?.watch(() => this.#sessions.forEach(({ session }) => this.changed(session)))
    document.addEventListener('visibilitychange', () => this.#settle(), { signal })
    addEventListener('online', () => this.retry(), { signal })
    onKept((name) => this.#sessions.forEach(({ session }) => session.share(name)), signal)
    forgetOldDrafts()
    forgetOldMessages()
    signal.addEventListener('abort', () => this.#sessions.forEach(({ session }) => session.close()))
  }

  /** The session, shared by all who open it; `changed` is called after every change. */
  open(id: string, changed: () => void): Handle {
    const open = this.#sessions.get(id) ?? this.#begin(id)
    const handle: Handle = {
      session: open.session,
      see: (visible) => {
        open.seen.set(handle, visible)
        this.#settle()
        if (visible) open.session.seen()
      },
      close: () => {
        open.seen.delete(handle)
        open.listeners.delete(handle)
        if (open.listeners.size === 0 && this.#sessions.get(id) === open) this.#end(id, open.session)
        this.#settle()
      },
    }
    open.listeners.set(handle, changed)
    return handle
  }

  attend(attentive: Attentive): void {
    this.#attentive = attentive
  }

  /** From now on it hears of changes in the list of sessions, until it is ignored. */
  list(lister: Lister): void {
    this.#listers.add(lister)
    this.send({ type: 'list', wanted: true })
  }

  ignore(lister: Lister): void {
    this.#listers.delete(lister)
    if (this.#listers.size === 0) this.send({ type: 'list', wanted: false })
  }

  /** Whether a stream of this page is one of all tabs. */
  get shared(): boolean {
    return this.#link.shared
  }

  /** Whether somebody sees this session now. */
  isInSight(id: string): boolean {
    const open = this.#sessions.get(id)
    return !document.hidden && open !== undefined && isSeen(open)
  }

  retry(): void {
    this.send({ type: 'retry' })
    for (const { session } of this.#sessions.values()) session.hurry()
  }

  // What a session needs

  send(message: ToHub): void {
    this.#link.send(message)
  }

  ask(url: URL, options: Omit<Request, 'xsrf' | 'fetch'>): Promise<Response> {
    return ask(url, { ...options, ...this.#fetch })
  }

  get direct(): boolean {
    return this.#kernel === null
  }

  get waits(): boolean {
    return this.#kernel?.waits ?? false
  }

  backoff(): Backoff {
    return this.#newBackoff()
  }

  agents(fresh: boolean): Promise<Agents> {
    if (!this.#agents || fresh) {
      const asked = this.ask(new URL('agents', this.api), { accept: 'application/json' }).then((answer) => json<Agents>(answer))
      this.#agents = asked
      asked.catch(() => {
        if (this.#agents === asked) this.#agents = null
      })
    }
    return this.#agents
  }

  isSeen({ id }: Session): boolean {
    const open = this.#sessions.get(id)
    return open !== undefined && isSeen(open)
  }

  changed(session: Session): void {
    const open = this.#sessions.get(session.id)
    if (open?.session !== session) return
    for (const changed of open.listeners.values()) changed()
    this.#settle()
  }

  #begin(id: string): Open {
    const open: Open = { session: new Session(id, this), seen: new Map(), listeners: new Map() }
    this.#sessions.set(id, open)
    return open
  }

  #end(id: string, session: Session): void {
    this.#sessions.delete(id)
    session.close()
  }

  #hear(message: FromHub): void {
    if (message.type === 'state') {
      this.state = message.state === 'offline' ? { ...message, text: inWords(message.status, message.text) } : message
      for (const { session } of this.#sessions.values()) session.settle()
      for (const lister of this.#listers) lister.linked()
    } else if (message.type === 'listed') {
      for (const lister of this.#listers) lister.listed(message.changed)
    } else if (message.type === 'unknown') {
      this.#sight = ''
      this.#settle()
      for (const { session } of this.#sessions.values()) session.rejoin()
      this.#attentive?.join()
      if (this.#listers.size > 0) this.send({ type: 'list', wanted: true })
    } else if ('session' in message) {
      if (isInbox(message.session)) {
        this.#attentive?.hear(message)
        for (const lister of this.#listers) lister.listed(unreadIn(message))
      }
      this.#sessions.get(message.session)?.session.hear(message)
    }
  }

  #settle(): void {
    this.#tellSight()
    const awake = this.#isWanted()
    if (awake === this.awake) return
    this.awake = awake
    for (const { session } of this.#sessions.values()) session.settle()
  }

  #tellSight(): void {
    const sessions = [...this.#sessions.keys()].filter((id) => this.isInSight(id))
    const sight = sessions.join(' ')
    if (sight === this.#sight) return
    this.#sight = sight
    this.send({ type: 'sight', sessions })
    this.#attentive?.look()
  }

  #isWanted(): boolean {
    // Another stream would have to wait until the kernel reads.
    if (this.#kernel) return this.#sessions.size > 0
    const sessions = [...this.#sessions.values()]
    const running = () => sessions.some(({ session }) => session.running)
    return document.hidden ? this.#link.shared && running() : sessions.some(isSeen) || running()
  }
}

function isSeen({ seen }: Open): boolean {
  return [...seen.values()].includes(true)
}

/** The sessions that are unread, or no longer, by what was heard of the inbox; `null`: any may be. */
function unreadIn(message: FromHub): string[] | null {
  if (message.type !== 'events') return message.type === 'snapshot' ? null : []
  if (message.events.some(({ type }) => type === 'notices-cleared')) return null
  return message.events.flatMap((event) => ('session_id' in event && typeof event.session_id === 'string' ? event.session_id : []))
}
