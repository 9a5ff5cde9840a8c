/**
 * One session as this page has it: the transcript, how it is connected, and what the person asked for.
 *
 * The transcript is read whole and then moved on by events, each exactly once and in order: what comes while it is read
 * waits, what it holds already is dropped, and where something is missing it is read again. What a person wrote stays in
 * the outbox until the transcript has it, also when the page is left, and goes to the server in the order in which it was
 * written. Whatever makes something carries a `client_id`, which makes asking again safe.
 */

import type { WireEvent } from '../events'
import type { fold } from '../fold'
import { Lazy } from '../lazy'
import { withDefaults } from '../restore'
import type { FilePart, Part, Transcript, UIMessage } from '../transcript'
import type { Actions, Agents, Choice, ConnectionState, Draft, FileFormat, Fork, NewLink, NewShare } from '../view/types'
import { words } from '../words'
import { cutOff, json } from './ask'
import { Backoff } from './backoff'
import { keepDraft, keptDraft } from './drafts'
import { HttpError, type Request } from './http'
import { type Command, Outbox, type Written } from './outbox'
import type { FromHub, LinkState, Person, ToHub } from './protocol'
import { you } from './you'

/** What a session needs of the page's connection. */
export interface Line {
  api: URL
  state: LinkState
  /** Requests wait for the kernel that carries them. */
  waits: boolean
  /** Whether the page itself reaches the server, at an address that others may know. */
  direct: boolean
  /** Whether events are wanted now. */
  awake: boolean
  /** Whether the session is in sight. */
  isSeen(session: Session): boolean
  send(message: ToHub): void
  /** Ask the server. */
  ask(url: URL, options: Omit<Request, 'xsrf' | 'fetch'>): Promise<Response>
  /** The session has changed. */
  changed(session: Session): void
  backoff(): Backoff
  /** Who can answer, as it was when it was asked for last. */
  agents(fresh: boolean): Promise<Agents>
}

/** Milliseconds after which a request without an answer is made again. */
const PATIENCE = 30_000

/** Milliseconds after which it is said again that somebody types; the server believes it for twice as long. */
const TYPING = 3000

type Phase =
  /** The transcript is being read. `attached`: the hub delivers already. */
  | { is: 'reading'; attached: boolean }
  /** Reading failed and will be tried again. */
  | { is: 'waiting'; text: string; again: () => void }
  /** The hub was asked to deliver. */
  | { is: 'attaching' }
  | { is: 'following' }
  /** No events are wanted. */
  | { is: 'resting' }
  /** Too many others are followed; it is again when it is seen again. */
  | { is: 'dropped' }
  | { is: 'gone'; text: string }
  | { is: 'closed' }

/** The name of a file, as RFC 5987 has it. */
function nameIn(disposition: string | null): string | null {
  const [, name] = /filename\*=UTF-8''([^;]+)/.exec(disposition ?? '') ?? []
  try {
    return name === undefined ? null : decodeURIComponent(name)
  } catch {
    return null
  }
}

/** What moves transcripts on. It is fetched beside the first one, which is drawn without it. */
const reducer = new Lazy(() => import('../fold'))

export class Session implements Actions {
  readonly id: string
  transcript: Transcript | null = null
  /** How often events were missing and read again. */
  gaps = 0
  /** Who is there, as it was said last. */
  #people: readonly Person[] = []
  /** When it was said that somebody types here, if they still do. */
  #typing = -Infinity
  outbox: readonly Written[]
  readonly #kept: Outbox
  readonly #line: Line
  readonly #backoff: Backoff
  #phase: Phase = { is: 'resting' }
  /** There before anything is followed. */
  #fold: typeof fold = (transcript) => transcript
  #waiting: WireEvent[] = []
  #problem: string | null = null
  /** What was written before is there, or refused. */
  #posted: Promise<void> = Promise.resolve()
  /** A new answer was asked for, and that has not come to the server yet. */
  #answering = false
  /** Ends each of the waits for a next attempt. */
  readonly #pauses = new Set<() => void>()

  constructor(id: string, line: Line) {
    this.id = id
    this.#line = line
    this.#backoff = line.backoff()
    this.#kept = new Outbox(this.#address)
    this.outbox = this.#kept.all()
    void this.#read(false)
    for (const { clientId, error } of this.outbox) if (error === null) this.#postNext(clientId)
  }

  get state(): ConnectionState {
    switch (this.#phase.is) {
      case 'gone':
        return 'gone'
      case 'waiting':
        return 'offline'
      case 'resting':
      case 'dropped':
      case 'closed':
        return 'idle'
      case 'reading':
      case 'attaching':
        return this.#line.state.state === 'offline' ? 'offline' : 'connecting'
      case 'following':
        return this.#line.state.state
    }
  }

  /** Why it is as it is, for a person. */
  get notice(): string | null {
    const phase = this.#phase
    if (phase.is === 'gone' || phase.is === 'waiting') return phase.text
    return (this.state === 'offline' ? this.#line.state.text : null) ?? this.#problem ?? (this.#line.waits ? words.waitsForKernel : null)
  }

  /** Who is there beside the person on this page. Without a connection nobody knows. */
  get others(): readonly Person[] {
    return this.state === 'live' ? this.#people.filter(({ username }) => username !== you.username) : []
  }

  get running(): boolean {
    return this.transcript?.turn != null
  }

  // What the connection does with it

  hear(message: FromHub & { session: string }): void {
    if (this.#phase.is === 'gone' || this.#phase.is === 'closed') return
    switch (message.type) {
      case 'following':
        if (!['attaching', 'following', 'dropped'].includes(this.#phase.is)) return
        if (message.lsn > (this.transcript?.lsn ?? 0)) return void this.#read(true)
        return this.#enter({ is: 'following' })
      case 'events':
        if (this.#phase.is === 'reading') this.#waiting.push(...message.events)
        else if (this.#phase.is === 'attaching' || this.#phase.is === 'following') this.#take(message.events)
        return
      case 'snapshot':
        return this.#replace(message.transcript)
      case 'presence':
        this.#people = message.people
        return this.#line.changed(this)
      case 'gone':
        return this.#enter({ is: 'gone', text: message.text })
      case 'lost':
        return this.#lost(message.reason)
      case 'dropped':
        if (this.#phase.is === 'reading') this.#phase.attached = false
        else if (this.#phase.is === 'attaching' || this.#phase.is === 'following') this.#enter({ is: 'dropped' })
        return
    }
  }

  /** It has come into sight. */
  seen(): void {
    if (this.#phase.is === 'following') this.#follow()
    else if (this.#phase.is === 'dropped' && this.#line.awake) this.#attach()
  }

  /** The connection's state has changed, or whether events are wanted. */
  settle(): void {
    const { is } = this.#phase
    if (this.#line.state.state === 'live') this.#endPauses()
    if (this.#line.awake && is === 'resting') this.#attach()
    else if (!this.#line.awake && ['attaching', 'following', 'dropped'].includes(is)) this.#rest()
    else this.#line.changed(this)
  }

  /** The hub has forgotten what was followed. */
  rejoin(): void {
    if (this.#phase.is === 'following' || this.#phase.is === 'attaching') this.#attach()
    else if (this.#phase.is === 'reading') this.#phase.attached = false
  }

  /** Do not wait for the next attempt. */
  hurry(): void {
    if (this.#phase.is === 'waiting') this.#phase.again()
    this.#endPauses()
  }

  /** Another tab has kept or forgotten what has this name. It holds, for both, what one of them could not send. */
  share(name: string): void {
    const { clientId, written } = this.#kept.named(name) ?? {}
    if (clientId === undefined) return
    const own = this.#find(clientId)
    if (written && !own?.delayed && !written.delayed) return
    const others = this.outbox.filter((outgoing) => outgoing !== own)
    this.outbox = written ? [...others, written].sort((one, other) => one.place - other.place) : others
    this.#line.changed(this)
    if (written && !own && written.error === null) this.#postNext(clientId)
  }

  close(): void {
    this.#line.send({ type: 'unfollow', session: this.id })
    this.#phase = { is: 'closed' }
  }

  // What a person does with it. The view hands these around on their own.

  readonly reconnect = (): void => {
    this.#line.send({ type: 'retry' })
    this.hurry()
  }

  readonly send = (text: string, { parts = [], ...choice }: { parts?: Part[] } & Choice = {}): void => {
    const clientId = newClientId()
    const command = message(clientId, text, parts, choice)
    this.#write({ clientId, text, parts, error: null, edits: null, command })
  }

  readonly amend = (clientId: string, text: string): void => {
    const written = this.#find(clientId)
    if (!written || written.edits !== null) return
    const { command, error } = written
    const body = { ...(command.body as object), text }
    this.#rewrite(clientId, { text, error: null, amended: true, command: { ...command, body } })
    if (error === null) this.#endPauses()
    else this.#postNext(clientId)
  }

  readonly resend = (clientId: string): void => {
    if (!this.#find(clientId)?.error) return
    this.#rewrite(clientId, { error: null, delayed: false })
    this.#postNext(clientId)
  }

  readonly discard = (clientId: string): void => {
    this.outbox = this.outbox.filter((outgoing) => outgoing.clientId !== clientId)
    this.#kept.forget(clientId)
    this.#line.changed(this)
  }

  readonly draft = (): Draft | null => keptDraft(this.#address)

  readonly keepDraft = (draft: Draft | null): void => keepDraft(this.#address, draft)

  readonly writes = (isWriting: boolean): void => {
    const now = Date.now()
    if (isWriting ? this.others.length === 0 || now - this.#typing < TYPING : this.#typing === -Infinity) return
    this.#typing = isWriting ? now : -Infinity
    this.#line.send({ type: 'typing', session: this.id, typing: isWriting })
  }

  readonly stop = (): void => {
    const turn = this.transcript?.turn?.id
    if (turn === undefined) return
    const command: Command = { method: 'POST', path: '/stop', body: { turn_id: turn } }
    void this.#do(() => this.#insist(() => (this.transcript?.turn?.id === turn ? command : null)))
  }

  readonly retry = (messageId: string, { text, ...choice }: { text?: string } & Choice = {}): void => {
    const clientId = newClientId()
    const body = { message_id: messageId, client_id: clientId, text, ...choice }
    const command: Command = { method: 'POST', path: '/retry', body }
    if (text === undefined) return this.#answer(command)
    this.#write({ clientId, text, error: null, edits: messageId, command })
  }

  readonly approve = (approvalId: string, approved: boolean, reason?: string): Promise<boolean> => {
    const path = `/approvals/${encodeURIComponent(approvalId)}`
    const command: Command = { method: 'POST', path, body: { approved, reason: reason || undefined } }
    const isWanted = () => this.transcript?.approvals.some(({ id }) => id === approvalId)
    return this.#do(() => this.#insist(() => (isWanted() ? command : null)))
  }

  readonly answerCall = (callId: string, output: unknown): Promise<boolean> => {
    const path = `/tools/${encodeURIComponent(callId)}`
    const command: Command = { method: 'POST', path, body: { output } }
    const turn = this.transcript?.turn?.id
    const isWanted = () => turn !== undefined && this.transcript?.turn?.id === turn
    return this.#do(() => this.#insist(() => (isWanted() ? command : null)))
  }

  readonly choose = (choice: Choice): void => {
    void this.#do(() => this.#ask({ method: 'PATCH', path: '', body: choice }))
  }

  readonly agents = (fresh: boolean): Promise<Agents> => this.#line.agents(fresh)

  readonly upload = async (file: File, signal: AbortSignal): Promise<FilePart> => {
    const url = this.#url('/attachments')
    url.searchParams.set('filename', file.name)
    const backoff = this.#line.backoff()
    for (;;) {
      try {
        const response = await this.#line.ask(url, { accept: 'application/json', method: 'POST', body: file, signal })
        const { url: address, mediaType, filename } = await json<FilePart>(response)
        return { type: 'file', mediaType, url: address, ...(filename ? { filename } : {}) }
      } catch (error) {
        if (!(error instanceof HttpError && error.unreachable)) throw error
        await this.#pause(backoff.failed())
        signal.throwIfAborted()
      }
    }
  }

  readonly attachment = async (url: string, signal: AbortSignal): Promise<Blob> => {
    const [, hash] = /^attachment:([0-9a-f]{64})$/.exec(url) ?? []
    if (!hash) throw new HttpError(404, words.notAttached)
    const response = await this.#line.ask(this.#url(`/attachments/${hash}`), { accept: '*/*', signal })
    return response.blob().catch(() => {
      throw cutOff()
    })
  }

  readonly fork = async (messageId: string): Promise<Fork> => {
    const { id } = await this.#ask<Transcript>({ method: 'POST', path: '/fork', body: { message_id: messageId } })
    return { session: id, page: this.#page('s', id) }
  }

  readonly exported = async (format: FileFormat, signal: AbortSignal): Promise<{ bytes: Blob; name: string }> => {
    const url = this.#url('/export')
    url.searchParams.set('format', format)
    const response = await this.#line.ask(url, { accept: '*/*', signal })
    const bytes = await response.blob().catch(() => {
      throw cutOff()
    })
    return { bytes, name: nameIn(response.headers.get('Content-Disposition')) ?? `chat.${format}` }
  }

  readonly address = (): string | null => (this.#line.direct ? this.#page('s', this.id) : null)

  readonly mayShare = async (): Promise<boolean> => (await this.#ask<{ allowed: boolean }>({ method: 'GET', path: '/shares' })).allowed

  readonly makeLink = async ({ name, seconds }: NewShare): Promise<NewLink> => {
    const { share, token } = await this.#ask<{ share: { id: string }; token: string }>({ method: 'POST', path: '/shares', body: { name, expires_seconds: seconds } })
    this.#catchUp()
    return { id: share.id, link: `${this.#page('share', this.id)}#${token}` }
  }

  readonly revokeLink = async (shareId: string): Promise<void> => {
    await this.#ask({ method: 'DELETE', path: `/shares/${encodeURIComponent(shareId)}` })
    this.#catchUp()
  }

  readonly continueAnswer = (messageId: string): void => {
    this.#answer({ method: 'POST', path: '/continue', body: { message_id: messageId, client_id: newClientId() } })
  }

  readonly selectBranch = (messageId: string): void => {
    void this.#do(() => this.#ask({ method: 'POST', path: '/branch', body: { message_id: messageId } }))
  }

  readonly removeQueued = (messageId: string): void => {
    void this.#do(() => this.#ask({ method: 'DELETE', path: queued(messageId) }))
  }

  readonly editQueued = (messageId: string, text: string): void => {
    const command: Command = { method: 'PATCH', path: queued(messageId), body: { text } }
    this.#write({ clientId: newClientId(), text, error: null, edits: messageId, command })
  }

  readonly reorderQueue = (messageIds: string[]): void => {
    void this.#do(() => this.#ask({ method: 'PATCH', path: '/queue', body: { message_ids: messageIds } }))
  }

  readonly resumeQueue = (): void => {
    void this.#do(() => this.#ask({ method: 'POST', path: '/queue/resume' }))
  }

  // Reading

  async #read(attached: boolean): Promise<void> {
    const phase: Phase = { is: 'reading', attached }
    this.#waiting = []
    this.#enter(phase)
    try {
      const folding = reducer.load()
      const transcript = await this.#ask<Transcript>({ method: 'GET', path: '' })
      if (this.#phase !== phase) return
      this.#backoff.succeeded()
      this.#moveTo(withDefaults(transcript))
      this.#fold = (await folding).fold
      if (this.#phase !== phase) return
      if (!this.#line.awake) return this.#rest()
      if (!phase.attached) return this.#attach()
      this.#enter({ is: 'following' })
      this.#take(this.#waiting)
    } catch (error) {
      if (!(error instanceof HttpError)) throw error
      if (this.#phase === phase) this.#readFailed(error)
    }
  }

  #readFailed(error: HttpError): void {
    this.#line.send({ type: 'unfollow', session: this.id })
    if (isGone(error)) return this.#enter({ is: 'gone', text: error.message })
    const again = () => {
      clearTimeout(timer)
      void this.#read(false)
    }
    const timer = setTimeout(() => this.#phase === phase && again(), this.#delay(error))
    const phase: Phase = { is: 'waiting', text: error.message, again }
    this.#enter(phase)
  }

  #attach(): void {
    this.#follow()
    this.#enter({ is: 'attaching' })
  }

  #follow(): void {
    const seen = this.#line.isSeen(this)
    this.#line.send({ type: 'follow', session: this.id, lsn: this.transcript?.lsn ?? 0, seen })
  }

  #rest(): void {
    this.#line.send({ type: 'unfollow', session: this.id })
    this.#people = []
    this.#enter({ is: 'resting' })
  }

  #lost(reason: 'gap' | 'ahead'): void {
    if (this.#phase.is === 'reading') this.#phase.attached = false
    if (this.#phase.is !== 'attaching' && this.#phase.is !== 'following') return
    if (reason === 'gap') this.gaps += 1
    void this.#read(false)
  }

  #take(events: WireEvent[]): void {
    const have = this.transcript?.lsn ?? 0
    const fresh = events.filter(({ lsn }) => lsn > have)
    if (fresh.some(({ lsn }, index) => lsn !== have + 1 + index)) {
      this.#line.send({ type: 'unfollow', session: this.id })
      return this.#lost('gap')
    }
    if (this.transcript && fresh.length > 0) this.#moveTo(this.#fold(this.transcript, fresh))
  }

  #replace(transcript: Transcript): void {
    if (transcript.lsn > (this.transcript?.lsn ?? 0)) this.#moveTo(withDefaults(transcript))
  }

  #moveTo(transcript: Transcript): void {
    if (this.transcript?.turn && !transcript.turn) this.#problem = null
    this.transcript = transcript
    if (this.outbox.length > 0) {
      const { messages, others, queue, removed } = transcript
      const everything = [...messages, ...others, ...queue, ...removed]
      const arrived = new Map(everything.map((message) => [message.metadata.client_id, message]))
      for (const written of this.outbox) this.#arrive(written, arrived.get(written.clientId))
    }
    this.#line.changed(this)
  }

  #arrive(written: Written, message: UIMessage | undefined): void {
    if (!message) return
    if (written.amended && sentText(message) !== written.text) this.#writeAnew(written)
    else this.discard(written.clientId)
  }

  /** It had arrived before it was changed: what it says now is another message, if that is still wanted. */
  #writeAnew({ clientId, text, parts = [], place }: Written): void {
    const fresh = newClientId()
    const command = message(fresh, text, parts)
    this.#kept.forget(clientId)
    this.#exchange(clientId, { clientId: fresh, text, parts, error: words.sentBefore, edits: null, place, command })
  }

  #enter(phase: Phase): void {
    this.#phase = phase
    this.#line.changed(this)
  }

  // Asking

  /** What it is known by in this browser. */
  get #address(): string {
    return this.#url('').pathname
  }

  #url(path: string): URL {
    return new URL(`sessions/${encodeURIComponent(this.id)}${path}`, this.#line.api)
  }

  #page(kind: 's' | 'share', id: string): string {
    return new URL(`../${kind}/${encodeURIComponent(id)}`, this.#line.api).href
  }

  async #ask<T>({ method, path, body }: Command, signal?: AbortSignal): Promise<T> {
    return json<T>(await this.#line.ask(this.#url(path), { accept: 'application/json', method, body, ...(signal ? { signal } : {}) }))
  }

  /** Ask for what is wanted until there is an answer, or nothing is wanted any more. What was done; raises what the server refuses. */
  async #insist(wanted: () => Command | null, failed?: () => void): Promise<Command | null> {
    const backoff = this.#line.backoff()
    for (let command = wanted(); command; command = wanted()) {
      try {
        await this.#ask(command, AbortSignal.timeout(PATIENCE))
        return command
      } catch (error) {
        if (!(error instanceof HttpError && error.unreachable)) throw error
        failed?.()
        await this.#pause(backoff.failed())
      }
    }
    return null
  }

  /** So long, or until there is a reason to hope. */
  #pause(milliseconds: number): Promise<void> {
    return new Promise((resolve) => {
      const end = () => {
        clearTimeout(timer)
        this.#pauses.delete(end)
        resolve()
      }
      const timer = setTimeout(end, milliseconds)
      this.#pauses.add(end)
    })
  }

  #endPauses(): void {
    for (const end of [...this.#pauses]) end()
  }

  /** A command that is over when it is answered; a refusal is said. Whether it was done. */
  async #do(command: () => Promise<unknown>): Promise<boolean> {
    try {
      this.#report(null)
      await command()
      this.#catchUp()
      return true
    } catch (error) {
      if (!(error instanceof HttpError)) throw error
      this.#report(error.message)
      return false
    }
  }

  #report(problem: string | null): void {
    if (problem === this.#problem) return
    this.#problem = problem
    this.#line.changed(this)
  }

  /** One new answer at a time: pressed twice is asked once. */
  #answer(command: Command): void {
    if (this.#answering) return
    this.#answering = true
    const wanted = () => (this.#phase.is === 'gone' || this.#phase.is === 'closed' ? null : command)
    void this.#do(() => this.#insist(wanted)).finally(() => {
      this.#answering = false
    })
  }

  #write(written: Omit<Written, 'place'>): void {
    const place = Math.max(Date.now(), (this.outbox.at(-1)?.place ?? 0) + 1)
    const isBehind = this.outbox.some(({ delayed, error }) => delayed && error === null)
    this.outbox = [...this.outbox, { ...written, place, delayed: isBehind }]
    this.#rewrite(written.clientId, {})
    this.#postNext(written.clientId)
  }

  #postNext(clientId: string): void {
    this.#posted = this.#posted.then(() => this.#post(clientId))
  }

  async #post(clientId: string): Promise<void> {
    // Another one may look after what a closed session has written.
    const find = () => (this.#phase.is === 'closed' ? this.#kept.find(clientId) : this.#find(clientId))
    const wanted = () => find()?.command ?? null
    try {
      const done = await this.#insist(wanted, () => this.#delayAll())
      if (!this.#find(clientId)?.amended) this.#kept.forget(clientId)
      // No event says which request a waiting message was changed by.
      if (done?.method === 'PATCH') this.discard(clientId)
      this.#catchUp()
    } catch (error) {
      if (!(error instanceof HttpError)) throw error
      const written = this.#find(clientId)
      if (written) this.#refuse(written, error)
    }
  }

  /** What is first cannot be sent, and so the rest waits behind it. */
  #delayAll(): void {
    for (const { clientId, delayed, error } of this.outbox) if (!delayed && error === null) this.#rewrite(clientId, { delayed: true })
  }

  #refuse(written: Written, { message: text, code }: HttpError): void {
    if (written.amended && code === 'client-id-reused') return this.#writeAnew(written)
    // There is nothing left to change: what was written can still be said.
    const lost = code === 'not-waiting' || code === 'unknown-message'
    const anew = () => ({ edits: null, command: message(written.clientId, written.text, written.parts ?? []) })
    this.#rewrite(written.clientId, { error: text, ...(lost ? anew() : {}) })
  }

  /** Where no events come, what was asked for is read. */
  #catchUp(): void {
    if (this.#phase.is === 'resting' || this.#phase.is === 'dropped') void this.#read(false)
  }

  #find(clientId: string): Written | undefined {
    return this.outbox.find((outgoing) => outgoing.clientId === clientId)
  }

  #rewrite(clientId: string, change: Partial<Written>): void {
    const written = this.#find(clientId)
    if (written) this.#exchange(clientId, { ...written, ...change })
  }

  #exchange(clientId: string, written: Written): void {
    if (this.#phase.is !== 'closed') this.#kept.keep(written)
    this.outbox = this.outbox.map((outgoing) => (outgoing.clientId === clientId ? written : outgoing))
    this.#line.changed(this)
  }

  #delay(error: HttpError): number {
    return this.#backoff.failed((error.retrySeconds ?? 0) * 1000)
  }
}

function isGone(error: HttpError): boolean {
  return error.status === 410 || error.code === 'unknown-session'
}

function message(clientId: string, text: string, parts: readonly Part[], choice: Choice = {}): Command {
  const attached = parts.length > 0 ? { parts } : {}
  return { method: 'POST', path: '/messages', body: { client_id: clientId, text, ...attached, ...choice } }
}

/** What a message said when it was sent. */
function sentText({ parts, metadata }: UIMessage): string | undefined {
  const [first] = (metadata['sent'] as Part[] | undefined) ?? parts
  return first?.type === 'text' ? first.text : undefined
}

function queued(messageId: string): string {
  return `/queue/${encodeURIComponent(messageId)}`
}

/** 128 random bits. (`crypto.randomUUID` exists in secure contexts only.) */
function newClientId(): string {
  const bytes = crypto.getRandomValues(new Uint8Array(16))
  return `c_${Array.from(bytes, (byte) => byte.toString(16).padStart(2, '0')).join('')}`
}
