/** JupyterLab's own notifications, in the versions that have them. */

import type { App } from './jupyter'

export interface Action {
  label: string
  commandId: string
  args: Record<string, unknown>
  displayType?: 'accent' | 'default'
}

/** Shows it until it is taken back, or closed. Returns what takes it back. */
export async function notify(
  { commands }: App,
  message: string,
  type: 'success' | 'error' | 'warning' | 'info',
  actions: Action[] = [],
  autoClose: number | false = false,
): Promise<() => void> {
  if (!commands.hasCommand('apputils:notify')) return () => undefined
  const id = await commands.execute('apputils:notify', { message, type, options: { autoClose, actions } })
  return () => void commands.execute('apputils:dismiss-notification', { id })
}
