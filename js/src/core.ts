/**
 * The front end for all hosts: draws a chat into an element and keeps it true.
 *
 * What was saved is drawn at once; the server's transcript replaces it as soon as it is there. One paint per frame where it
 * is in sight, one per second where it is not, after which the root's `data-*` attributes say what was painted, for anyone
 * to check from outside. There is one connection per page, whoever imports this module.
 */

import { h, render } from 'preact'

import type { Desk, Place } from './attention'
import { type ChatBundle, isOutdated, restoreBundle } from './bundle'
import { clock } from './connection/clock'
import { Connection, type Handle } from './connection/connection'
import type { Fetch } from './connection/http'
import { you } from './connection/you'
import { atLeisure, onIdle, onNextFrame } from './frames'
import { findNotebook } from './host'
import { Lazy } from './lazy'
import type { Sessions } from './sessions'
import type { Transcript } from './transcript'
import { ChatView } from './view'
import { calls, controls, values, writing } from './view/late'
import { rehearse } from './view/rehearse'
import { dressPlace } from './view/styles'
import type { ChatViewProps } from './view/types'
import { waitingCalls, waits } from './view/waits'
import { speak, withWords } from './words'

export { preferences } from './preferences'

export interface MountOptions {
  /** The output's data of our MIME type, as it was found. */
  source: unknown
  /**
   * Where Jupyter is, and, of a guest, the token of a link to read by; or the way there of a page that cannot reach it. `null`: draw
   * what there is.
   */
  host: { baseUrl: string; share?: string } | { connection: Connection } | null
  /** Unmounts. */
  signal: AbortSignal
  /** MIME type → data to be kept in the output, after an outcome that it does not have. */
  onFinal?(bundle: Record<string, unknown>): void
  /** The session has this title now. */
  onTitle?(title: string): void
}

export interface Mounted {
  /** The output's data was changed from outside. */
  update(source: unknown): void
}

/** The worker's file beside this one. Defined by the build. */
declare const WORKER: string

const connections = new Map<string, Connection>()

const attention = new Lazy(() => withWords(import('./attention')))

const panel = new Lazy(() => withWords(import('./sessions')))

/** By the address of the server. */
const sessionsOf = new Map<string, Sessions>()

const saved = new Lazy(() => import('./saved'))

/** Whether the words of the page's language are there: nothing is drawn before. (JupyterLab says its language there.) */
let speaks = false
const speaking = speak(document.documentElement.lang).then(() => (speaks = true))

let rehearsing: Promise<void> | null = null

export function mount(root: HTMLElement, options: MountOptions): Mounted {
  const chat = new Chat(root, options)
  rehearsing ??= speaking.then(() => void onIdle(rehearse))
  options.signal.addEventListener('abort', () => chat.unmount())
  return chat
}

/** From now on the person is told at this place of what they do not watch, and has read what is in sight. */
export async function attend(host: { baseUrl: string }, place: Place | Desk): Promise<void> {
  await speaking
  const { Attention } = await attention.load()
  new Attention(connectionTo(host), place, new AbortController().signal)
}

/** The list of all sessions there, and the panel that shows it. */
export async function sessions(host: { baseUrl: string }): Promise<Sessions> {
  await speaking
  const { Sessions } = await panel.load()
  const connection = connectionTo(host)
  let found = sessionsOf.get(connection.api.href)
  if (!found) sessionsOf.set(connection.api.href, (found = new Sessions(connection)))
  return found
}

class Chat implements Mounted {
  readonly #root: HTMLElement
  readonly #options: MountOptions
  #bundle: ChatBundle
  #handle: Handle | null = null
  #visible = false
  #begun = false
  #cancelPaint: (() => void) | null = null
  readonly #visibility: IntersectionObserver

  constructor(root: HTMLElement, options: MountOptions) {
    this.#root = root
    this.#options = options
    this.#bundle = restoreBundle(options.source)
    root.classList.add('jdc')
    keepKeysIn(root, options.signal)
    this.#visibility = new IntersectionObserver((entries) => this.#see(entries.at(-1)?.isIntersecting ?? false))
    this.#visibility.observe(root)
    this.#open()
    void speaking.then(() => options.signal.aborted || this.#paint())
  }

  update(source: unknown): void {
    const { session } = this.#bundle
    this.#bundle = restoreBundle(source)
    if (this.#bundle.session !== session) this.#open()
    this.#changed()
  }

  unmount(): void {
    this.#cancelPaint?.()
    this.#visibility.disconnect()
    this.#handle?.close()
    render(null, this.#root)
  }

  #open(): void {
    this.#handle?.close()
    const { host } = this.#options
    const { session } = this.#bundle
    this.#handle = host && session !== null ? connectionTo(host).open(session, () => this.#changed()) : null
    this.#handle?.see(this.#visible)
  }

  #see(visible: boolean): void {
    this.#visible = visible
    dressPlace(this.#root)
    this.#handle?.see(visible)
    if (visible && this.#cancelPaint) this.#paint()
  }

  #changed(): void {
    const transcript = this.#handle?.session.transcript
    const { onFinal } = this.#options
    if (onFinal && transcript && isOutdated(this.#bundle, transcript)) void this.#keep(transcript, onFinal)
    if (speaks) this.#cancelPaint ??= this.#whenSeen(() => this.#paint())
  }

  /** What is not in sight costs nothing for every token. */
  get #whenSeen(): typeof onNextFrame {
    return this.#visible && !document.hidden ? onNextFrame : atLeisure
  }

  async #keep(transcript: Transcript, onFinal: NonNullable<MountOptions['onFinal']>): Promise<void> {
    const bundle = this.#bundle
    this.#bundle = { ...bundle, lsn: transcript.lsn, snapshot: transcript, notice: null }
    const { output } = await saved.load()
    const kept = await output(bundle, transcript)
    // Meanwhile the cell may have got something else, or more to keep.
    if (this.#bundle.snapshot === transcript && !this.#options.signal.aborted) onFinal(kept)
  }

  #paint(): void {
    this.#cancelPaint?.()
    this.#cancelPaint = null
    dressPlace(this.#root)
    const props = this.#props()
    render(h(ChatView, props), this.#root)
    Object.assign(this.#root.dataset, {
      session: this.#bundle.session ?? '',
      lastLsn: String(props.transcript?.lsn ?? 0),
      gaps: String(props.gaps),
      state: props.state,
      status: props.transcript?.status ?? 'idle',
    })
    const [first] = props.actions ? waitingCalls(props.transcript, props.turn) : []
    if (first) this.#root.dataset.waiting = waits(first) ?? ''
    else delete this.#root.dataset.waiting
    this.#begin(props)
    const title = props.transcript?.title
    if (title) this.#options.onTitle?.(title)
    if (props.actions && props.transcript) fetchSoon()
  }

  /** The notebook around has something that is worth being kept. */
  #begin({ notebook, actions, transcript }: ChatViewProps): void {
    const { session } = this.#bundle
    if (this.#begun || !actions || session === null || !transcript?.messages.length) return
    this.#begun = true
    notebook?.begun(session, this.#root)
  }

  #props(): ChatViewProps {
    const { snapshot, turn, notice } = this.#bundle
    const session = this.#handle?.session
    const notebook = findNotebook()
    const { now } = clock
    const { username } = you
    if (!session) return { transcript: snapshot, turn, state: 'static', gaps: 0, notice, outbox: [], actions: null, notebook, you: username, others: [], now }
    const props = {
      transcript: session.transcript ?? snapshot,
      turn,
      state: session.state,
      gaps: session.gaps,
      notice: session.notice,
      outbox: session.outbox,
      actions: session,
      notebook,
      you: username,
      others: session.others,
      now,
    }
    const { host } = this.#options
    // A guest is nobody, and may do nothing.
    return host && 'share' in host ? { ...props, actions: null, reads: session, you: undefined, others: [] } : props
  }
}

function connectionTo(host: NonNullable<MountOptions['host']>): Connection {
  if ('connection' in host) return host.connection
  const { baseUrl, share } = host
  const api = new URL(share === undefined ? 'durable-chat/api/' : 'durable-chat/shared/', new URL(baseUrl, location.href))
  let connection = connections.get(api.href)
  if (!connection) {
    const { signal } = new AbortController()
    const worker = new URL(WORKER, import.meta.url)
    connection = new Connection(share === undefined ? { api, worker, signal } : { api, worker: null, fetch: asGuest(share), signal })
    connections.set(api.href, connection)
  }
  return connection
}

/** Every request has the token of the link. */
function asGuest(token: string): Fetch {
  return (url, init) => {
    const headers = new Headers(init.headers)
    headers.set('X-Share-Token', token)
    return fetch(url, { ...init, headers })
  }
}

/** What an answer may need next, or a person may press, once the page has nothing else to do: the server may be away by then. */
function fetchSoon(): void {
  if (isFetched) return
  isFetched = true
  onIdle(() => [calls, controls, values, writing, saved].forEach((chunk) => void chunk.load()))
}

let isFetched = false

/** Keys that are typed into the chat are no shortcuts of the notebook, but for the one that saves it. */
function keepKeysIn(root: HTMLElement, signal: AbortSignal): void {
  // Notebook 7 sees keys before we do. It looks for this attribute from the focused element upwards, and at its selector first.
  const suppress = (element: Element) => element.setAttribute('data-lm-suppress-shortcuts', 'true')
  suppress(root)
  root.addEventListener('focusin', ({ target }) => target instanceof Element && suppress(target), { signal })
  for (const type of ['keydown', 'keypress', 'keyup']) {
    root.addEventListener(type, (event) => event.stopPropagation(), { signal })
  }
  root.addEventListener('keydown', (event) => isSave(event) && handOn(event, root), { signal })
}

function isSave({ key, ctrlKey, metaKey, shiftKey, altKey, defaultPrevented }: KeyboardEvent): boolean {
  return key === 's' && (ctrlKey || metaKey) && !shiftKey && !altKey && !defaultPrevented
}

/** Lets the page have the key as if it had been pressed beside the chat. */
function handOn(event: KeyboardEvent, root: HTMLElement): void {
  const { key, code, keyCode, ctrlKey, metaKey } = event
  const init = { key, code, keyCode, ctrlKey, metaKey, bubbles: true, cancelable: true, composed: true }
  const isTaken = !(root.parentElement ?? document.body).dispatchEvent(new KeyboardEvent('keydown', init))
  if (isTaken) event.preventDefault()
}
