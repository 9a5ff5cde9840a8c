/** A chat as a tab of its own: the view that its cell has, in all of the place. */

import { Widget } from '@lumino/widgets'

import { findCore, findHost } from '../host'
import css from '../whole.css'
import { labWords } from '../words/lab'

export class ChatTab extends Widget {
  readonly session: string
  readonly #closing = new AbortController()
  readonly #named: (title: string) => void
  #begun = false

  /** `named` hears what the session is called. */
  constructor(session: string, named: (title: string) => void) {
    super()
    this.session = session
    this.#named = named
  }

  override dispose(): void {
    this.#closing.abort()
    super.dispose()
  }

  protected override onAfterAttach(): void {
    if (!this.#begun) void this.#begin()
  }

  protected override onActivateRequest(): void {
    const { node } = this
    const input = node.querySelector<HTMLElement>('.jdc-input')
    if (input) return input.focus()
    node.tabIndex = -1
    node.focus()
  }

  async #begin(): Promise<void> {
    this.#begun = true
    const host = findHost()
    const core = host && (await findCore(host))
    if (this.isDisposed) return
    if (!host || !core) {
      this.#begun = false
      this.node.textContent = labWords().notLoaded
      return
    }
    dress(this.node.ownerDocument)
    const root = document.createElement('div')
    root.className = 'jdc-whole'
    this.node.replaceChildren(root)
    core.mount(root, {
      source: { session: this.session, turn: null, lsn: 0, snapshot: null, widget: null, notice: null },
      host,
      signal: this.#closing.signal,
      onTitle: (title) => this.#named(title),
    })
  }
}

let sheet: CSSStyleSheet | null = null

function dress(document: Document): void {
  if (sheet) return
  sheet = new CSSStyleSheet()
  sheet.replaceSync(css)
  document.adoptedStyleSheets.push(sheet)
}
