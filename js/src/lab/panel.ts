/** The side panel: nothing but a place until it is opened, which is when all that it shows is loaded. */

import { Widget } from '@lumino/widgets'

import { findCore, findHost } from '../host'
import type { Sessions } from '../sessions'
import type { Listed } from '../sessions/list'
import type { PanelActions } from '../sessions/Panel'
import { labWords } from '../words/lab'

export class SessionsPanel extends Widget {
  readonly #actions: PanelActions
  #begun = false

  constructor(actions: PanelActions) {
    super()
    this.#actions = actions
    this.id = 'jupyter-durable-chat-sessions'
  }

  protected override onAfterShow(): void {
    if (!this.#begun) void this.#begin()
  }

  protected override onAfterAttach(): void {
    if (this.isVisible) this.onAfterShow()
  }

  protected override onActivateRequest(): void {
    const { node } = this
    const first = node.querySelector<HTMLElement>('.jdc-panel-row[tabindex="0"], .jdc-panel-input')
    if (first) return first.focus()
    node.tabIndex = -1
    node.focus()
  }

  async #begin(): Promise<void> {
    this.#begun = true
    const sessions = await loadSessions()
    if (this.isDisposed) return
    if (!sessions) {
      this.#begun = false
      this.node.textContent = labWords().notLoaded
      return
    }
    const hadFocus = this.node.ownerDocument.activeElement === this.node
    const root = document.createElement('div')
    this.node.replaceChildren(root)
    sessions.show(root, this.#actions, new AbortController().signal)
    if (hadFocus) this.onActivateRequest()
  }
}

let loaded: Sessions | null = null

/** The sessions of this server; `null` where the front end cannot be had now. */
export async function loadSessions(): Promise<Sessions | null> {
  const host = findHost()
  const core = host && (await findCore(host))
  if (host && core) loaded = await core.sessions(host)
  return loaded
}

/** As the list has it that is loaded. */
export function findSession(id: string): Listed | null {
  return loaded?.list.find(id) ?? null
}
