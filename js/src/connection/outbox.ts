/**
 * What was written and has not come to the server, as the browser keeps it: when the page is left, and until the notebook is
 * opened again. Each message has a name of its own there, so that no tab writes over another's. Whoever sends it, and how often,
 * its `client_id` makes it one message. What has arrived, or was discarded, is forgotten.
 */

import { isRecord, restoreParts } from '../restore'
import { forgetOld, keep, kept, namesOf } from '../storage'
import type { Outgoing } from '../view/types'
import type { Method } from './http'

/** One request below the session's address. */
export interface Command {
  method: Method
  path: string
  body?: unknown
}

/** What was written, and how to ask for it. */
export interface Written extends Outgoing {
  command: Command
  /** The order in which they were written. */
  place: number
  /** It has been changed, maybe after it came to the server. */
  amended?: boolean
}

const DAYS = 30

const OUTBOX = 'outbox:'

/** The messages of one session, of which `session` is the address. */
export class Outbox {
  readonly #beginning: string

  constructor(session: string) {
    this.#beginning = `${OUTBOX}${session}#`
  }

  /** Everything, as it was written. */
  all(): Written[] {
    return namesOf(this.#beginning)
      .flatMap((name) => this.#named(name) ?? [])
      .sort((one, other) => one.place - other.place)
  }

  find(clientId: string): Written | null {
    return this.#named(this.#beginning + clientId)
  }

  keep(written: Written): void {
    keep(this.#beginning + written.clientId, written)
  }

  forget(clientId: string): void {
    keep(this.#beginning + clientId, null)
  }

  /** Which of this session's messages has this name, and what is kept of it; `null`: it is none of them. */
  named(name: string): { clientId: string; written: Written | null } | null {
    if (!name.startsWith(this.#beginning)) return null
    return { clientId: name.slice(this.#beginning.length), written: this.#named(name) }
  }

  #named(name: string): Written | null {
    return restoreWritten(kept(name))
  }
}

/** Below the session's address, and nowhere else: it is sent without anybody's pressing anything. */
const PATH = /^\/(?:messages|retry|queue\/[\w-]+)$/

function restoreWritten(data: unknown): Written | null {
  if (!isRecord(data) || !isRecord(data.command)) return null
  const { clientId, text, parts, error, delayed, edits, place, amended, command } = data
  const { method, path, body } = command
  if (typeof clientId !== 'string' || typeof text !== 'string' || !Number.isFinite(place)) return null
  if (method !== 'POST' && method !== 'PATCH') return null
  if (typeof path !== 'string' || !PATH.test(path)) return null
  return {
    clientId,
    text,
    error: typeof error === 'string' ? error : null,
    edits: typeof edits === 'string' ? edits : null,
    place: place as number,
    command: body === undefined ? { method, path } : { method, path, body },
    ...(parts === undefined ? {} : { parts: restoreParts(parts) }),
    ...(delayed === true ? { delayed } : {}),
    ...(amended === true ? { amended } : {}),
  }
}

export function forgetOldMessages(): void {
  forgetOld(OUTBOX, DAYS)
}
