/**
 * A notebook whose file does not have its chat is offered to be saved: a reload would show no chat there.
 *
 * That is so while the notebook has changes and no output of its file shows the session; what JupyterLab saves by itself,
 * every two minutes, takes the offer back. It is made once for a notebook on a page, and never again in this browser when
 * the person does not want it for this notebook.
 */

import { forgetOld, keep, kept } from '../storage'
import { labWords } from '../words/lab'
import { type SavedCell, sessionsIn } from './desk'
import { type App, placeOf, type Panel } from './jupyter'
import { type Action, notify } from './notify'
import type { Preferred } from './settings'

const SAVE = 'jupyter-durable-chat:save-notebook'
const NEVER = 'jupyter-durable-chat:never-save-notebook'

/** What is kept of a notebook that is not to be saved. */
const DECLINED = 'unsaved:'
const DAYS = 365

/** Milliseconds for which it may cover what is below it, the end of a chat perhaps; it is among the other notifications after that. */
const STAYS = 20_000

export class Unsaved {
  readonly #app: App
  readonly #preferred: Preferred
  readonly #offered = new WeakSet<Panel['context']>()
  /** By the panel: takes the offer back. */
  readonly #offers = new Map<string, { panel: Panel; takeBack: () => void }>()

  constructor(app: App, preferred: Preferred) {
    this.#app = app
    this.#preferred = preferred
    const { save, notThis } = labWords()
    app.commands.addCommand(SAVE, { label: save, isVisible: () => false, execute: ({ panel }) => this.#save(String(panel)) })
    app.commands.addCommand(NEVER, { label: notThis, isVisible: () => false, execute: ({ panel }) => this.#decline(String(panel)) })
    forgetOld(DECLINED, DAYS)
  }

  /** Something was said in this chat, which stands there. */
  async begun(session: string, from: Element): Promise<void> {
    const panel = placeOf(this.#app, from)?.panel
    if (!panel || !this.#preferred.offersToSave || this.#offered.has(panel.context)) return
    const { context } = panel
    if (!context.model.dirty || kept(DECLINED + context.path) !== null) return
    this.#offered.add(context)
    if (await this.#isInFile(context.path, session)) return void this.#offered.delete(context)
    if (!context.model.dirty) return void this.#offered.delete(context)
    const { notSaved, save, notThis } = labWords()
    const args = { panel: panel.id }
    const actions: Action[] = [
      { label: save, commandId: SAVE, args, displayType: 'accent' },
      { label: notThis, commandId: NEVER, args },
    ]
    const takeBack = await notify(this.#app, notSaved(context.path.split('/').at(-1) ?? ''), 'warning', actions, STAYS)
    this.#offers.set(panel.id, { panel, takeBack })
    const settle = () => {
      if (context.model.dirty) return
      context.saveState.disconnect(settle)
      this.#end(panel.id)
    }
    context.saveState.connect(settle)
    panel.disposed.connect(() => this.#end(panel.id))
    settle()
  }

  async #save(id: string): Promise<void> {
    await this.#end(id)?.context.save()
  }

  #decline(id: string): void {
    const panel = this.#end(id)
    if (panel) keep(DECLINED + panel.context.path, true)
  }

  #end(id: string): Panel | null {
    const offer = this.#offers.get(id)
    this.#offers.delete(id)
    offer?.takeBack()
    return offer?.panel ?? null
  }

  /** A file that cannot be read does not have it. */
  async #isInFile(path: string, session: string): Promise<boolean> {
    try {
      const { content } = (await this.#app.serviceManager?.contents.get(path, { content: true, type: 'notebook' })) ?? {}
      const { cells = [] } = (content ?? {}) as { cells?: SavedCell[] }
      return cells.some((cell) => sessionsIn(cell).includes(session))
    } catch {
      return false
    }
  }
}
