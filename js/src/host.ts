/** The Jupyter that this page belongs to. */

import type { Desk, Place } from './attention'
import type { MountOptions, Mounted } from './core'
import type { preferences } from './preferences'
import type { Sessions } from './sessions'
import type { Notebook } from './view/types'

export interface Core {
  mount(root: HTMLElement, options: MountOptions): Mounted
  attend(host: { baseUrl: string }, place: Place | Desk): Promise<void>
  preferences: typeof preferences
  sessions(host: { baseUrl: string }): Promise<Sessions>
}

/** The names, with their hashes, of the core's file and of those that it imports. Defined by the build. */
declare const CORE: [string, ...string[]]

/** Where Jupyter is, as its pages say; `null` in a page that is not Jupyter's. */
export function findHost(): { baseUrl: string } | null {
  try {
    const config = JSON.parse(document.getElementById('jupyter-config-data')?.textContent ?? '') as Record<string, unknown>
    return { baseUrl: new URL(String(config.baseUrl ?? '/'), location.origin).href }
  } catch {
    return null
  }
}

/** The core from the server: one module, and so one connection, for all who import it on this page. */
export function importCore({ baseUrl }: { baseUrl: string }): Promise<Core> {
  const [core] = CORE.map((name) => import(/* webpackIgnore: true */ `${baseUrl}static/durable_chat/${name}`)) // at once, not one after the other
  return core as Promise<Core>
}

/** The same; `null` where it does not come. */
export function findCore(host: { baseUrl: string }): Promise<Core | null> {
  return importCore(host).catch(() => null)
}

const NOTEBOOK = Symbol.for('jupyter-durable-chat:notebook')

const page = globalThis as { [NOTEBOOK]?: Notebook }

/** The page's notebooks, for all chats on it. Said by the application's plugin, which loads no core before it is needed. */
export function offerNotebook(notebook: Notebook): void {
  page[NOTEBOOK] = notebook
}

export function findNotebook(): Notebook | null {
  return page[NOTEBOOK] ?? null
}
