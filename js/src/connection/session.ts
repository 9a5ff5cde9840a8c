/**
 * One session as this page has it: the transcript, how it is connected, and what the person asked for.
 *
 * The transcript is read whole and then moved on by events, each exactly once and in order: what comes while it is read
 * waits, what it holds already is dropped, and where something is missing it is read again. What a person wrote stays in
 * the outbox until the transcript has it, and goes to the server in the order in which it was written. Whatever makes
 * something carries a `client_id`, which makes asking again safe.
 */

import type { WireEvent } from '../events'
import { withDefaults } from '../restore'
import { type FilePart, fold, type Part, type Transcript } from '../transcript'
import type { Actions, Agents, Choice, ConnectionState, Outgoing } from '../view/types'
import { words } from '../words'
import { ask, cutOff, json } from './ask'
import { Backoff } from './backoff'
import { HttpError, type Method } from './http'
import type { FromHub, LinkState, ToHub } from './protocol'

/** What a session needs of the page's connection. */
export interface Line {
  api: URL
  state: LinkState
  /** Whether events are wanted now. */
  awake: boolean
  /** Whether the session is in sight. */
  isSeen(session: Session): boolean
  send(message: ToHub): void
  /** The session has changed. */
  changed(session: Session): void
  backoff(): Backoff
  /** Who can answer, as it was when it was asked for last. */
  agents(fresh: boolean): Promise<Agents>
}

/** One request below the session's address. */
interface Command {
  method: Method
  path: string
  body?: unknown
}

/** What was written, and how to ask for it. */
interface Written extends Outgoing {
  command: Command
}

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

export class Session implements Actions {
  readonly id: string
  transcript: Transcript | null = null
  /** How often events were missing and read again. */
  gaps = 0
  outbox: readonly Written[] = []
  readonly #line: Line
  readonly #backoff: Backoff
  #phase: Phase = { is: 'resting' }
  #waiting: WireEvent[] = []
  #problem: string | null = null
  /** What was written before is there, or refused. */
  #posted: Promise<void> = Promise.resolve()
  /** A new answer was asked for, and that has not come to the server yet. */
  #answering = false

  constructor(id: string, line: Line) {
    this.id = id
    this.#line = line
    this.#backoff = line.backoff()
    void this.#read(false)
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
    return (this.state === 'offline' ? this.#line.state.text : null) ?? this.#problem
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

  readonly resend = (clientId: string): void => {
    const written = this.outbox.find((outgoing) => outgoing.clientId === clientId)
    if (!written?.error) return
    this.#rewrite(clientId, { error: null })
    this.#postNext(clientId)
  }

  readonly discard = (clientId: string): void => {
    this.outbox = this.outbox.filter((outgoing) => outgoing.clientId !== clientId)
    this.#line.changed(this)
  }

  readonly stop = (): void => {
    const turn = this.transcript?.turn?.id
    if (turn === undefined) return
    const wanted = () => this.transcript?.turn?.id === turn
    void this.#do(() => this.#insist({ method: 'POST', path: '/stop', body: { turn_id: turn } }, wanted))
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
    const wanted = () => this.transcript?.approvals.some(({ id }) => id === approvalId) ?? false
    return this.#do(() => this.#insist({ method: 'POST', path, body: { approved, reason: reason || undefined } }, wanted))
  }

  readonly answerCall = (callId: string, output: unknown): Promise<boolean> => {
    const path = `/tools/${encodeURIComponent(callId)}`
    const turn = this.transcript?.turn?.id
    const wanted = () => turn !== undefined && this.transcript?.turn?.id === turn
    return this.#do(() => this.#insist({ method: 'POST', path, body: { output } }, wanted))
  }

  readonly choose = (choice: Choice): void => {
    void this.#do(() => this.#ask({ method: 'PATCH', path: '', body: choice }))
  }

  readonly agents = (fresh: boolean): Promise<Agents> => this.#line.agents(fresh)

  readonly upload = async (file: File, signal: AbortSignal): Promise<FilePart> => {
    const url = this.#url('/attachments')
    url.searchParams.set('filename', file.name)
    const response = await ask(url, { accept: 'application/json', method: 'POST', body: file, signal })
    const { url: address, mediaType, filename } = await json<FilePart>(response)
    return { type: 'file', mediaType, url: address, ...(filename ? { filename } : {}) }
  }

  readonly attachment = async (url: string, signal: AbortSignal): Promise<Blob> => {
    const [, hash] = /^attachment:([0-9a-f]{64})$/.exec(url) ?? []
    if (!hash) throw new HttpError(404, words.notAttached)
    const response = await ask(this.#url(`/attachments/${hash}`), { accept: '*/*', signal })
    return response.blob().catch(() => {
      throw cutOff()
    })
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
      const transcript = await this.#ask<Transcript>({ method: 'GET', path: '' })
      if (this.#phase !== phase) return
      this.#backoff.succeeded()
      this.#moveTo(withDefaults(transcript))
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
    if (this.transcript && fresh.length > 0) this.#moveTo(fold(this.transcript, fresh))
  }

  #replace(transcript: Transcript): void {
    if (transcript.lsn > (this.transcript?.lsn ?? 0)) this.#moveTo(withDefaults(transcript))
  }

  #moveTo(transcript: Transcript): void {
    if (this.transcript?.turn && !transcript.turn) this.#problem = null
    this.transcript = transcript
    if (this.outbox.length > 0) {
      const { messages, others, queue, removed } = transcript
      const arrived = new Set([...messages, ...others, ...queue, ...removed].map(({ metadata }) => metadata.client_id))
      this.outbox = this.outbox.filter(({ clientId }) => !arrived.has(clientId))
    }
    this.#line.changed(this)
  }

  #enter(phase: Phase): void {
    this.#phase = phase
    this.#line.changed(this)
  }

  // Asking

  #url(path: string): URL {
    return new URL(`sessions/${encodeURIComponent(this.id)}${path}`, this.#line.api)
  }

  async #ask<T>({ method, path, body }: Command): Promise<T> {
    return json<T>(await ask(this.#url(path), { accept: 'application/json', method, body }))
  }

  /** Ask until there is an answer, for as long as it is `wanted`; raises what the server refuses. */
  async #insist(command: Command, wanted: () => boolean): Promise<void> {
    const backoff = this.#line.backoff()
    while (wanted()) {
      try {
        await this.#ask(command)
        return
      } catch (error) {
        if (!(error instanceof HttpError && error.unreachable)) throw error
        await new Promise((resolve) => setTimeout(resolve, backoff.failed()))
      }
    }
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
    const wanted = () => this.#phase.is !== 'gone' && this.#phase.is !== 'closed'
    void this.#do(() => this.#insist(command, wanted)).finally(() => {
      this.#answering = false
    })
  }

  #write(written: Written): void {
    this.outbox = [...this.outbox, written]
    this.#line.changed(this)
    this.#postNext(written.clientId)
  }

  #postNext(clientId: string): void {
    this.#posted = this.#posted.then(() => this.#post(clientId))
  }

  async #post(clientId: string): Promise<void> {
    const find = () => this.outbox.find((outgoing) => outgoing.clientId === clientId)
    const written = find()
    if (!written) return
    try {
      await this.#insist(written.command, () => find() !== undefined)
      // No event says which request a waiting message was changed by.
      if (written.command.method === 'PATCH') this.discard(clientId)
      this.#catchUp()
    } catch (error) {
      if (!(error instanceof HttpError)) throw error
      const { message: text, code } = error
      // There is nothing left to change: what was written can still be said.
      const lost = code === 'not-waiting' || code === 'unknown-message'
      const anew = () => ({ edits: null, command: message(clientId, written.text, written.parts ?? []) })
      this.#rewrite(clientId, { error: text, ...(lost ? anew() : {}) })
    }
  }

  /** Where no events come, what was asked for is read. */
  #catchUp(): void {
    if (this.#phase.is === 'resting' || this.#phase.is === 'dropped') void this.#read(false)
  }

  #rewrite(clientId: string, change: Partial<Written>): void {
    this.outbox = this.outbox.map((written) => (written.clientId === clientId ? { ...written, ...change } : written))
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

function queued(messageId: string): string {
  return `/queue/${encodeURIComponent(messageId)}`
}

/** 128 random bits. (`crypto.randomUUID` exists in secure contexts only.) */
function newClientId(): string {
  const bytes = crypto.getRandomValues(new Uint8Array(16))
  return `c_${Array.from(bytes, (byte) => byte.toString(16).padStart(2, '0')).join('')}`
}
