/** What JupyterLab and Notebook 7 do for what a person is told: their own notifications, and the way to the chat. */

import type { Desk } from '../attention'
import { type App, type Cell, findPanel } from './jupyter'

const SHOW = 'jupyter-durable-chat:show'
const MIME_TYPE = 'application/vnd.jupyter-durable-chat.v1+json'

const TYPES = { done: 'success', failed: 'error', waiting: 'warning' }

/** Milliseconds for which a notification of an answer stays over the page; it is among the others after that. */
const STAYS = 10_000

export function desk(app: App): Desk {
  const { commands } = app
  const open = (session: string, notebook: string | null) => void show(app, session, notebook)
  commands.addCommand(SHOW, {
    label: 'Show a Chat',
    isVisible: () => false,
    execute: ({ session, notebook }) => show(app, String(session), typeof notebook === 'string' ? notebook : null),
  })
  return {
    open,
    async tell({ kind, session, message, show: label }, notebook) {
      if (!commands.hasCommand('apputils:notify')) return () => undefined
      const actions = [{ label, commandId: SHOW, args: { session, notebook }, displayType: 'accent' }]
      const options = { autoClose: kind === 'done' ? STAYS : false, actions }
      const id = await commands.execute('apputils:notify', { message, type: TYPES[kind], options })
      return () => void commands.execute('apputils:dismiss-notification', { id })
    },
  }
}

/** Its notebook, if it has one, at the cell that shows it. */
async function show(app: App, session: string, notebook: string | null): Promise<void> {
  if (notebook === null) return
  await app.commands.execute('docmanager:open', { path: notebook })
  const panel = findPanel(app, notebook)
  if (!panel) return
  await panel.context.ready
  const { content } = panel
  const index = content.widgets.findIndex((cell) => shows(cell, session))
  if (index < 0) return
  content.activeCellIndex = index
  await content.scrollToItem?.(index)
  content.widgets[index]?.node.querySelector('[data-session]')?.scrollIntoView({ block: 'end' })
}

function shows(cell: Cell, session: string): boolean {
  const { toJSON } = cell.model as { toJSON?: () => { outputs?: { data?: Record<string, { session?: unknown } | undefined> }[] } }
  return (toJSON?.call(cell.model).outputs ?? []).some(({ data }) => data?.[MIME_TYPE]?.session === session)
}
