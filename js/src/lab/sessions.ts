/**
 * All chats in JupyterLab and Notebook 7: a panel beside the notebook, and commands for what one does with a chat.
 *
 * A command takes the session from its arguments (`session`), or is for the row under the context menu. Where the main area
 * has room for one thing only, as in Notebook 7, a chat that is in no notebook is opened as a page.
 */

import { ILabShell, ILayoutRestorer } from '@jupyterlab/application'
import { Dialog, ICommandPalette, InputDialog, MainAreaWidget, showDialog, WidgetTracker } from '@jupyterlab/apputils'
import { ISettingRegistry } from '@jupyterlab/settingregistry'
import { Token } from '@lumino/coreutils'

import { findHost } from '../host'
import type { Listed } from '../sessions/list'
import { labWords } from '../words/lab'
import { ChatTab } from './chat'
import { commands as ids } from './commands'
import { showInNotebook } from './desk'
import { icon } from './icon'
import type { App } from './jupyter'
import { notify } from './notify'
import { findSession, loadSessions, SessionsPanel } from './panel'
import { Preferred } from './settings'

const NAMESPACE = 'jupyter-durable-chat'

/** Behind the file browser, the running kernels and the table of contents. */
const RANK = 450

/** A session as a command finds it. */
type Subject = Pick<Listed, 'id'> & Partial<Listed>

class Chats {
  readonly #app: App
  readonly #hasTabs: boolean
  readonly #tabs = new WidgetTracker<MainAreaWidget<ChatTab>>({ namespace: NAMESPACE })
  readonly #panel: SessionsPanel
  readonly #preferred: Preferred

  constructor(app: App, preferred: Preferred, labShell: object | null) {
    this.#app = app
    this.#preferred = preferred
    this.#hasTabs = labShell !== null
    const run = (id: string, row: Listed) => void app.commands.execute(id, { session: row.id })
    this.#panel = new SessionsPanel({
      open: (row, aside) => run(aside ? (this.#hasTabs ? ids.openMain : ids.openPage) : ids.open, row),
      create: () => void app.commands.execute(ids.create),
      rename: (row) => run(ids.rename, row),
      remove: (row) => run(ids.delete, row),
    })
    const { title } = this.#panel
    title.icon = icon
    title.caption = labWords().chats
    app.shell.add(this.#panel, 'left', { rank: RANK })
    this.#addCommands()
  }

  restore(restorer: ILayoutRestorer): void {
    restorer.add(this.#panel, NAMESPACE)
    if (!this.#hasTabs) return
    void restorer.restore(this.#tabs, {
      command: ids.openMain,
      args: ({ content: { session } }) => ({ session }),
      name: ({ content: { session } }) => session,
    })
  }

  #addCommands(): void {
    const { commands, shell } = this.#app
    const add = (id: string, label: () => string, execute: (args: Record<string, unknown>) => unknown, more = {}) =>
      commands.addCommand(id, { label, execute, ...more })
    const forRow = (execute: (subject: Subject) => unknown) => async (args: Record<string, unknown>) => {
      const id = this.#subject(args)
      if (id) await execute(findSession(id) ?? { ...args, id })
    }
    const at = (args: Record<string, unknown>) => findSession(this.#subject(args) ?? '')
    add(ids.panel, () => labWords().showPanel, () => shell.activateById(this.#panel.id), { icon })
    add(ids.create, () => labWords().newChat, () => this.#create(), { icon })
    add(ids.open, () => labWords().openUsual, forRow((row) => this.#open(row)))
    const isInNotebook = (args: Record<string, unknown>) => typeof (at(args) ?? args).notebook === 'string'
    add(ids.openNotebook, () => labWords().openNotebook, forRow((row) => this.#openNotebook(row)), { isEnabled: isInNotebook })
    add(ids.openMain, () => labWords().openMain, forRow((row) => this.#openMain(row)), { isVisible: () => this.#hasTabs })
    add(ids.openPage, () => labWords().openPage, forRow((row) => this.#openPage(row)))
    add(ids.rename, () => labWords().rename, forRow((row) => this.#rename(row)))
    commands.addCommand(ids.mute, {
      label: (args) => (at(args)?.muted ? labWords().unmute : labWords().mute),
      execute: forRow((row) => this.#change(row, { muted: !row.muted })),
    })
    add(ids.delete, () => labWords().delete, forRow((row) => this.#delete(row)))
  }

  #subject({ session }: Record<string, unknown>): string | null {
    if (typeof session === 'string') return session
    const under = this.#app.contextMenuHitTest?.((node) => 'chat' in node.dataset)
    return under?.dataset.chat ?? null
  }

  async #create(): Promise<void> {
    await this.#doing(async (list) => {
      const id = await list.create()
      if (this.#hasTabs) this.#openMain({ id })
      else this.#openPage({ id })
    })
  }

  async #open(row: Subject): Promise<void> {
    if (row.notebook && this.#preferred.opens === 'notebook') await this.#openNotebook(row)
    else if (this.#hasTabs) this.#openMain(row)
    else this.#openPage(row)
  }

  async #openNotebook({ id, notebook }: Subject): Promise<void> {
    if (!notebook) return
    const found = await showInNotebook(this.#app, id, notebook)
    if (found === 'shown') return
    const { notebookGone, notShown, openHere } = labWords()
    const message = found === 'gone' ? notebookGone(notebook) : notShown(notebook)
    const command = this.#hasTabs ? ids.openMain : ids.openPage
    await notify(this.#app, message, 'warning', [{ label: openHere, commandId: command, args: { session: id } }])
  }

  #openMain({ id, title }: Subject): void {
    const { shell } = this.#app
    const open = this.#tabs.find(({ content }) => content.session === id)
    if (open) return shell.activateById(open.id)
    const content = new ChatTab(id, (title) => (tab.title.label = title))
    const tab = new MainAreaWidget({ content })
    tab.id = `${NAMESPACE}-${id}`
    tab.title.label = title ?? labWords().chat
    tab.title.icon = icon
    tab.title.closable = true
    shell.add(tab, 'main')
    void this.#tabs.add(tab)
    shell.activateById(tab.id)
  }

  #openPage({ id }: Subject): void {
    const host = findHost()
    if (host) window.open(`${host.baseUrl}durable-chat/s/${encodeURIComponent(id)}`, '_blank', 'noopener')
  }

  async #rename(row: Subject): Promise<void> {
    const { renameTitle, renameDoes } = labWords()
    const { value, button } = await InputDialog.getText({ title: renameTitle, text: row.title ?? '', okLabel: renameDoes })
    const title = value?.trim()
    if (button.accept && title && title !== row.title) await this.#change(row, { title })
  }

  async #change(row: Subject, what: { title: string } | { muted: boolean }): Promise<void> {
    await this.#doing((list) => list.change(row.id, what))
  }

  async #delete(row: Subject): Promise<void> {
    const { deleteTitle, deleteText, deleteDoes, chat } = labWords()
    const buttons = [Dialog.cancelButton(), Dialog.warnButton({ label: deleteDoes })]
    const { button } = await showDialog({ title: deleteTitle, body: deleteText(row.title ?? chat), buttons, defaultButton: 0 })
    if (!button.accept) return
    await this.#doing(async (list) => {
      await list.delete(row.id)
      this.#tabs.find(({ content }) => content.session === row.id)?.dispose()
    })
  }

  /** What goes wrong is said: there is no place that shows it. */
  async #doing(what: (list: Awaited<ReturnType<typeof listOf>>) => Promise<void>): Promise<void> {
    try {
      await what(await listOf())
    } catch (error) {
      await notify(this.#app, labWords().notDone(error instanceof Error ? error.message : ''), 'error')
    }
  }
}

async function listOf() {
  const sessions = await loadSessions()
  if (!sessions) throw new Error(labWords().notLoaded)
  return sessions.list
}

/** What a person prefers, for our other plugin. */
export const preferences = new Token<Preferred>('jupyter-durable-chat:preferences')

export const sessions = {
  id: 'jupyter-durable-chat:sessions',
  description: 'A panel of all chats, what can be done with them, and the settings.',
  autoStart: true,
  provides: preferences,
  optional: [ILabShell, ILayoutRestorer, ICommandPalette, ISettingRegistry],
  activate(
    app: App,
    labShell: object | null,
    restorer: ILayoutRestorer | null,
    palette: ICommandPalette | null,
    registry: ISettingRegistry | null,
  ): Preferred {
    const preferred = new Preferred(registry)
    const chats = new Chats(app, preferred, labShell)
    if (restorer) chats.restore(restorer)
    for (const command of [ids.panel, ids.create]) palette?.addItem({ command, category: labWords().category })
    return preferred
  },
}
