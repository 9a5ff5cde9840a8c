/** `s/{id}`: one session as a page of its own. The page says which one, and where Jupyter is. */

import { findHost, importCore } from './host'
import css from './page.css'
import whole from './whole.css'

const { documentElement, body } = document
const host = findHost()
const { chat: session } = body.dataset

if (host && session) {
  documentElement.lang = navigator.language // what the core speaks is decided when it comes
  const sheet = new CSSStyleSheet()
  sheet.replaceSync(`${whole}\n${css}`)
  document.adoptedStyleSheets.push(sheet)
  const root = document.createElement('main')
  root.className = 'jdc-whole'
  body.replaceChildren(root)
  const core = await importCore(host)
  core.mount(root, {
    source: { session, turn: null, lsn: 0, snapshot: null, widget: null, notice: null },
    host,
    signal: new AbortController().signal,
    onTitle: (title) => (document.title = title),
  })
  await core.attend(host, null)
}
