/**
 * Code from a chat in the notebook around it. Everything goes through the notebook's shared model and JupyterLab's own
 * commands, so that undo, people who work in the same notebook, and kernels see what they would see of a person.
 */

import { type App, type Place, placeOf } from './jupyter'
import { refusal } from './refusal'

export async function insertBelow(app: App, code: string, from: Element): Promise<void> {
  insert(place(app, from), code)
}

export async function run(app: App, code: string, from: Element): Promise<void> {
  const { panel, ...rest } = place(app, from)
  insert({ panel, ...rest }, code)
  app.shell.activateById(panel.id) // the command is for the current notebook
  if (!app.commands.isEnabled('notebook:run-cell')) throw refusal('cannotRun')
  void app.commands.execute('notebook:run-cell')
}

export async function replace(app: App, _code: string, from: Element): Promise<void> {
  place(app, from)
  throw refusal('nothingToReplace')
}

function place(app: App, from: Element): Place {
  const found = placeOf(app, from)
  if (!found) throw refusal('noCell')
  return found
}

function insert({ notebook, model, index }: Place, code: string): void {
  model.sharedModel.insertCell(index + 1, { cell_type: 'code', source: code, metadata: { trusted: true } })
  notebook.deselectAll()
  notebook.activeCellIndex = index + 1
  void notebook.scrollToItem?.(index + 1)
}
