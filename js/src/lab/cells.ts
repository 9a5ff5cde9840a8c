/**
 * Code from chats in the notebooks around them. Everything goes through a notebook's shared model and JupyterLab's own
 * commands, so that undo, people who work in the same notebook, and kernels see what they would see of a person.
 *
 * Nobody loses a cell by surprise. Cells that came from a chat stand below its cell, in the order in which they came, and
 * the same code is not put there twice. What is replaced is the code cell that the person was in last before they turned to
 * the chat; one who was in none is asked to choose one. Never is it a chat's own cell.
 */

import type { Snippet, Target } from '../view/types'
import { type App, type Cell, kernelLanguage, type NotebookWidget, type Place, placeOf } from './jupyter'
import { refusal } from './refusal'
import { cellSource, kindsOf } from './source'

export class Cells {
  readonly #app: App
  /** The ids of the cells that came from a chat, by the cell that it is in. */
  readonly #from = new WeakMap<Cell, Set<string>>()
  /** The code cell that the person was in last, and whether they have been anywhere at all. */
  readonly #last = new WeakMap<NotebookWidget, Cell>()
  readonly #visited = new WeakSet<NotebookWidget>()

  constructor(app: App, page: Document, signal: AbortSignal) {
    this.#app = app
    // Before the application itself takes note that the chat's cell is now the active one.
    for (const type of ['pointerdown', 'focusin', 'keydown']) {
      page.addEventListener(type, ({ target }) => target instanceof Element && this.#notice(target, type), { capture: true, signal })
    }
  }

  kinds(from: Element): readonly string[] | null {
    const place = placeOf(this.#app, from)
    return place && kindsOf(kernelLanguage(place))
  }

  async insertBelow(snippet: Snippet, from: Element): Promise<void> {
    this.#insert(this.#place(from), snippet)
  }

  async run(snippet: Snippet, from: Element): Promise<void> {
    this.#insert(this.#place(from), snippet)
    if (!this.#app.commands.isEnabled('notebook:run-cell')) throw refusal('cannotRun')
    void this.#app.commands.execute('notebook:run-cell')
  }

  target(from: Element): Target | null {
    const place = placeOf(this.#app, from)
    const cell = place && this.#target(place)
    if (!cell) return null
    const [line = ''] = cell.model.sharedModel.source.trimStart().split('\n')
    return { count: cell.model.executionCount ?? null, line }
  }

  async replace(snippet: Snippet, from: Element): Promise<void> {
    const place = this.#place(from)
    const cell = this.#target(place)
    if (!cell) throw refusal('nothingToReplace')
    if (cell.model.getMetadata('editable') === false) throw refusal('notEditable')
    const source = cellSource(snippet, kernelLanguage(place))
    const { sharedModel } = cell.model
    sharedModel.undoManager?.stopCapturing()
    if (sharedModel.source !== source) sharedModel.setSource(source)
    this.#show(place, cell)
    place.notebook.mode = 'edit' // here its undo brings back what was there
  }

  /** Somebody presses or types, or the focus moves. */
  #notice(target: Element, type: string): void {
    const inChat = target.closest('.jdc') !== null
    if (!inChat && type === 'focusin') return
    const place = placeOf(this.#app, target)
    if (!place) return
    const { notebook, cell } = place
    if (!inChat) this.#visited.add(notebook)
    const { activeCell } = notebook
    if (inChat && activeCell && activeCell !== cell && this.#visited.has(notebook)) this.#last.set(notebook, activeCell)
  }

  #target({ notebook, cell }: Place): Cell | null {
    const last = this.#last.get(notebook)
    if (!last || last === cell || !notebook.widgets.includes(last)) return null
    return last.model.type === 'code' && !last.node.querySelector('.jdc') ? last : null
  }

  #place(from: Element): Place {
    const place = placeOf(this.#app, from)
    if (!place) throw refusal('noCell')
    if (place.model.readOnly) throw refusal('readOnly')
    return place
  }

  /** A cell with this code, below the chat's and those that came from it before. */
  #insert(place: Place, snippet: Snippet): void {
    const { notebook, model, cell, index } = place
    const source = cellSource(snippet, kernelLanguage(place))
    const before = this.#from.get(cell) ?? new Set()
    this.#from.set(cell, before)
    const came = notebook.widgets.filter(({ model }) => before.has(model.id))
    const there = came.find(({ model }) => model.sharedModel.source === source)
    if (there) return this.#show(place, there)
    let at = index + 1
    while (came.includes(notebook.widgets[at] as Cell)) at += 1
    model.sharedModel.undoManager?.stopCapturing()
    model.sharedModel.insertCell(at, { cell_type: 'code', source, metadata: { trusted: true } })
    const inserted = notebook.widgets[at] as Cell
    before.add(inserted.model.id)
    this.#show(place, inserted)
  }

  /** Makes it the active cell, as a click in front of it does, and shows it. */
  #show({ panel, notebook }: Place, cell: Cell): void {
    const index = notebook.widgets.indexOf(cell)
    this.#app.shell.activateById(panel.id) // commands are for the current notebook
    notebook.deselectAll()
    notebook.mode = 'command'
    notebook.activeCellIndex = index
    this.#last.set(notebook, cell)
    void notebook.scrollToItem?.(index)
  }
}
