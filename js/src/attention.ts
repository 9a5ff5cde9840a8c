/**
 * What a person is told by this page of what they do not watch.
 *
 * Of all pages in the world one shows a notice: the one that the server has given it to. A page that has its session in
 * sight says that it is read; the others wait a moment for that, those that nobody sees a moment longer. What was shown
 * goes when it is read, wherever that was.
 *
 * A page that is of another version than its server says so: until both are the same, either may know what the other does not.
 */

import { version } from '../package.json'
import { json } from './connection/ask'
import type { Connection } from './connection/connection'
import { HttpError } from './connection/http'
import type { FromHub } from './connection/protocol'
import { foldInbox, type Inbox, type Notice } from './inbox'
import { preferences } from './preferences'
import { words } from './words'
import { number } from './words/numbers'

/** What any page does for it. */
export interface Place {
  /** Shows this, which is of the page itself, until it is taken back. Returns what takes it back. */
  say(message: string): Promise<() => void>
}

/** What the page's application does for it. */
export interface Desk extends Place {
  /** Shows this until it is taken back, with a button that leads to the session. Returns what takes it back. */
  tell(notice: Told, notebook: string | null): Promise<() => void>
  open(session: string, notebook: string | null): void
}

export interface Told {
  kind: Notice['kind']
  /** `null`: of several sessions. */
  session: string | null
  /** Two lines at most. */
  message: string
  /** Of the button. */
  show: string
}

/** Milliseconds for a page that has the session in sight, and for one that somebody sees. */
const IN_SIGHT = 1000
const VISIBLE = 1500

/** Of more than these at the same time, as after a night, one notification says how many there are. */
const FEW = 3

/** What is said of several things together: what is worst of them. */
const GRAVEST = ['failed', 'waiting', 'done'] as const

export class Attention {
  readonly #connection: Connection
  readonly #place: Place
  readonly #desk: Desk | null
  readonly #signal: AbortSignal
  readonly #page = `p_${crypto.getRandomValues(new Uint32Array(4)).join('')}`
  #inbox: Inbox | null = null
  #joining: Promise<void> | null = null
  /** By the notice: what takes back what is shown of it; `null` until it is. */
  readonly #shown = new Map<string, (() => void) | null>()
  readonly #reading = new Set<string>()
  /** What is said about the server's version, and what takes that back. */
  #odd = ''
  #takeOddBack: Promise<() => void> | null = null
  /** The page's title with a mark in front, as it was set here. */
  #marked: string | null = null

  /** Without a desk nothing is told here; what is in sight is read all the same. */
  constructor(connection: Connection, place: Place | Desk, signal: AbortSignal) {
    this.#connection = connection
    this.#place = place
    this.#desk = 'tell' in place ? place : null
    this.#signal = signal
    connection.attend({ hear: (message) => this.#hear(message), look: () => this.#look(), join: () => void this.#join() })
    // An application that names its page anew while nobody sees it takes the mark away.
    const title = document.querySelector('title')
    const naming = new MutationObserver(() => this.#mark())
    if (title) naming.observe(title, { childList: true })
    signal.addEventListener('abort', () => naming.disconnect())
    document.addEventListener('visibilitychange', () => this.#settle(), { signal })
    void this.#join()
  }

  /** A stream of the page's own is given up while nobody sees it: too many of them hold up everything else. */
  #settle(): void {
    if (!this.#connection.shared && this.#inbox) {
      if (document.hidden) this.#connection.send({ type: 'unfollow', session: this.#inbox.id })
      else void this.#join()
    }
    this.#look()
  }

  /** Whoever wants it meanwhile gets the same. */
  #join(): Promise<void> {
    return (this.#joining ??= this.#readAndFollow().finally(() => (this.#joining = null)))
  }

  /** Read first, follow second: what comes in between is told by the hub. */
  async #readAndFollow(): Promise<void> {
    const backoff = this.#connection.backoff()
    while (!this.#signal.aborted) {
      try {
        const inbox = await json<Inbox>(await this.#connection.ask(new URL('inbox', this.#connection.api), { accept: 'application/json' }))
        if (!this.#inbox || inbox.lsn >= this.#inbox.lsn || inbox.id !== this.#inbox.id) this.#inbox = inbox
        break
      } catch (error) {
        if (!(error instanceof HttpError)) throw error
        await pause(backoff.failed(), this.#signal)
      }
    }
    if (!this.#inbox || this.#signal.aborted) return
    const { id, lsn } = this.#inbox
    // The person may have gone since: then it is read, and followed when they are back.
    if (this.#connection.shared || !document.hidden) this.#connection.send({ type: 'follow', session: id, lsn, seen: true })
    this.#look()
  }

  #hear(message: FromHub & { session: string }): void {
    const inbox = this.#inbox
    if (!inbox || message.session !== inbox.id) return
    if (message.type === 'version') return this.#compare(message.version)
    if (message.type === 'following') return message.lsn > inbox.lsn ? void this.#join() : undefined
    if (message.type === 'lost' || message.type === 'dropped') return void this.#join()
    if (message.type === 'snapshot') this.#inbox = message.transcript as unknown as Inbox
    if (message.type === 'events') {
      const fresh = message.events.filter(({ lsn }) => lsn > inbox.lsn)
      if (fresh[0] && fresh[0].lsn > inbox.lsn + 1) return void this.#join()
      this.#inbox = foldInbox(inbox, fresh)
    }
    this.#look()
  }

  #compare(server: string): void {
    const isOlder = version.localeCompare(server, 'en', { numeric: true }) < 0
    const odd = server === version ? '' : isOlder ? words.pageIsOlder(version, server) : words.serverIsOlder(version, server)
    if (odd === this.#odd) return
    this.#odd = odd
    void this.#takeOddBack?.then((takeBack) => takeBack())
    this.#takeOddBack = odd ? this.#place.say(odd) : null
  }

  /** Something is other than it was: in the inbox, or in sight. */
  #look(): void {
    const unread = (this.#inbox?.notices ?? []).filter(({ read }) => !read)
    const tells = this.#desk !== null && preferences.notifications.value === 'on'
    const untold: string[] = []
    for (const notice of unread) {
      if (this.#connection.isInSight(notice.session)) void this.#read(notice)
      else if (tells && !notice.quiet && notice.claimed === null && !this.#shown.has(keyOf(notice))) untold.push(keyOf(notice))
    }
    if (untold.length > 0) this.#tellSoon(untold)
    const keys = new Set(unread.map(keyOf))
    for (const [key, takeBack] of this.#shown) {
      if (keys.has(key)) continue
      takeBack?.()
      this.#shown.delete(key)
    }
    this.#mark()
  }

  async #read({ session, lsn }: Notice): Promise<void> {
    const key = `${session}:${lsn}`
    if (this.#reading.has(key)) return
    this.#reading.add(key)
    await this.#post('read', { session, lsn }).finally(() => this.#reading.delete(key))
  }

  #tellSoon(keys: string[]): void {
    for (const key of keys) this.#shown.set(key, null)
    setTimeout(() => void this.#tell(keys), IN_SIGHT + (document.hidden ? VISIBLE : 0))
  }

  /** Show those that are still to be shown, and here. */
  async #tell(keys: string[]): Promise<void> {
    const desk = this.#desk
    const due = (this.#inbox?.notices ?? []).filter((notice) => {
      const key = keyOf(notice)
      return keys.includes(key) && !notice.read && notice.claimed === null && this.#shown.has(key)
    })
    const claims = due.map(async (notice) => {
      const { turn, kind, wait } = notice
      return (await this.#post('claim', { turn, kind, wait, by: this.#page }))?.claimed ? [notice] : []
    })
    const mine = (await Promise.all(claims)).flat()
    if (!desk || mine.length === 0) return
    if (preferences.sound.value === 'on') void import('./tone').then(({ play }) => play(gravest(mine)))
    for (const group of grouped(mine)) await this.#show(group, desk)
  }

  /** All that is told by one notification. */
  async #show(together: Notice[], desk: Desk): Promise<void> {
    const newest = together.at(-1)
    if (!newest) return
    const { session, notebook } = newest
    const chats = countOf(together)
    const kind = gravest(together)
    const told: Told =
      chats === 1
        ? { kind, session, message: messageOf(newest), show: words.showChat }
        : { kind, session: null, message: words.noticeMany(number(chats)), show: words.showChats }
    const own = this.#tellOutside(newest, told)
    const takeBack = await desk.tell(told, notebook)
    let left = together.length
    const readOne = () => {
      left -= 1
      if (left > 0) return
      own?.close()
      takeBack()
    }
    for (const key of together.map(keyOf)) {
      // It may have been read meanwhile.
      if (this.#shown.has(key)) this.#shown.set(key, readOne)
      else readOne()
    }
  }

  /** The browser's own notification, where the person has allowed it and does not see the page. */
  #tellOutside({ notebook, title }: Notice, { session, message }: Told): Notification | null {
    if (!document.hidden || typeof Notification === 'undefined' || Notification.permission !== 'granted') return null
    const [first = '', ...rest] = message.split('\n')
    try {
      const body = rest.join('\n') || (session === null ? '' : (title ?? ''))
      const shown = new Notification(first, { body, tag: `jupyter-durable-chat:${session ?? ''}` })
      shown.onclick = () => {
        window.focus()
        if (session !== null) this.#desk?.open(session, notebook)
      }
      return shown
    } catch {
      // Some browsers have them in service workers only.
      return null
    }
  }

  async #post(what: 'read' | 'claim', body: unknown): Promise<{ claimed?: boolean } | null> {
    try {
      const url = new URL(`inbox/${what}`, this.#connection.api)
      return await json(await this.#connection.ask(url, { accept: 'application/json', method: 'POST', body }))
    } catch (error) {
      // Nobody is told twice: what was claimed and not heard of stays in the inbox.
      if (error instanceof HttpError) return null
      throw error
    }
  }

  /** How many things wait, in front of the page's title, while nobody sees it. */
  #mark(): void {
    const count = document.hidden ? (this.#inbox?.unread ?? 0) : 0
    const bare = document.title === this.#marked ? document.title.replace(/^\(\d+\) /, '') : document.title
    this.#marked = count > 0 ? `(${count}) ${bare}` : null
    const title = this.#marked ?? bare
    if (document.title !== title) document.title = title
  }
}

/** Ends at once when nobody waits any more. */
function pause(milliseconds: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    const end = () => {
      clearTimeout(timer)
      signal.removeEventListener('abort', end)
      resolve()
    }
    const timer = setTimeout(end, milliseconds)
    signal.addEventListener('abort', end)
  })
}

/** One by one if they are few, else by chat, and together if these are many, too. */
function grouped(notices: Notice[]): Notice[][] {
  if (notices.length <= FEW) return notices.map((notice) => [notice])
  if (countOf(notices) > FEW) return [notices]
  return [...new Set(notices.map(({ session }) => session))].map((id) => notices.filter(({ session }) => session === id))
}

/** How many chats they are of. */
function countOf(notices: Notice[]): number {
  return new Set(notices.map(({ session }) => session)).size
}

function gravest(notices: Notice[]): Notice['kind'] {
  return GRAVEST.find((kind) => notices.some((notice) => notice.kind === kind)) ?? 'done'
}

function keyOf({ turn, kind, wait }: Notice): string {
  return [turn, kind, wait ?? ''].join('\n')
}

function messageOf({ kind, tool, title, text }: Notice): string {
  const name = title ?? words.aChat
  const what =
    kind === 'done'
      ? words.noticeDone(name)
      : kind === 'failed'
        ? words.noticeFailed(name)
        : tool === 'ask_user'
          ? words.noticeAsks(name)
          : tool === 'propose_plan'
            ? words.noticePlans(name)
            : words.noticeCalls(name, tool ?? '')
  return text ? `${what}\n${text}` : what
}
