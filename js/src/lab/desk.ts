/** What JupyterLab and Notebook 7 do for what a person is told: their own notifications, and the way to the chat. */

import type { Desk } from '../attention'
import { MIME_TYPE } from '../mime'
import { commands as ids } from './commands'
import { type App, type Cell, findPanel } from './jupyter'
import { notify } from './notify'

const TYPES = { done: 'success', failed: 'error', waiting: 'warning' } as const

/** Milliseconds for which a notification of an answer stays over the page; it is among the others after that. */
const STAYS = 10_000

export function desk(app: App): Desk {
  return {
    open: (session, notebook) => void app.commands.execute(ids.open, { session, notebook }),
    say: (message) => notify(app, message, 'warning'),
    tell({ kind, session, message, show: label }, notebook) {
      const place = session === null ? { commandId: ids.panel, args: {} } : { commandId: ids.open, args: { session, notebook } }
      const action = { label, ...place, displayType: 'accent' } as const
      return notify(app, message, TYPES[kind], [action], kind === 'done' ? STAYS : false)
    },
  }
}

/**
 * Shows the cell of this notebook that shows the session. `gone`: there is no such notebook; `missing`: none of its cells shows it.
 * A notebook that is opened in a browser tab of its own counts as shown: what is in there is not known here.
 */
export async function showInNotebook(app: App, session: string, notebook: string): Promise<'shown' | 'gone' | 'missing'> {
  if (!findPanel(app, notebook)) {
    if (!(await isThere(app, notebook))) return 'gone'
    await app.commands.execute('docmanager:open', { path: notebook }) // of what is open, Notebook 7 would open one more
  }
  const panel = findPanel(app, notebook)
  if (!panel) return 'shown'
  await panel.context.ready
  const { content } = panel
  const index = content.widgets.findIndex((cell) => shows(cell, session))
  if (index < 0) return 'missing'
  app.shell.activateById(panel.id)
  content.deselectAll()
  content.mode = 'command'
  content.activeCellIndex = index
  content.node.focus()
  await content.scrollToItem?.(index)
  content.widgets[index]?.node.querySelector('[data-session]')?.scrollIntoView({ block: 'end' })
  return 'shown'
}

async function isThere({ serviceManager }: App, path: string): Promise<boolean> {
  try {
    await serviceManager?.contents.get(path, { content: false })
    return true
  } catch (error) {
    // Whoever cannot be asked may have it: opening it says what is wrong.
    return (error as { response?: { status?: unknown } }).response?.status !== 404
  }
}

export function shows(cell: Cell, session: string): boolean {
  return sessionsOf(cell).includes(session)
}

function sessionsOf(cell: Cell): unknown[] {
  const { toJSON } = cell.model as { toJSON?: () => SavedCell }
  return sessionsIn(toJSON?.call(cell.model) ?? {})
}

export interface SavedCell {
  outputs?: { data?: Record<string, { session?: unknown } | undefined> }[]
}

/** The sessions that a cell shows, by what is or would be in its file. */
export function sessionsIn({ outputs = [] }: SavedCell): unknown[] {
  return outputs.flatMap(({ data }) => data?.[MIME_TYPE]?.session ?? [])
}
