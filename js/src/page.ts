/**
 * A session as a page of its own. The page says which one, and where Jupyter is: `s/{id}` for who may log in there,
 * `share/{id}#TOKEN` for whoever has that link. The token stays in the address, so that the page can be loaded again and
 * kept as a bookmark; no browser sends what follows `#` anywhere.
 */

import { findHost, importCore } from './host'
import css from './page.css'
import whole from './whole.css'

const { documentElement, body } = document
const host = findHost()
const { chat, shared } = body.dataset
const session = chat ?? shared

/** Above the chat. */
async function say(message: string): Promise<() => void> {
  const line = document.createElement('p')
  line.role = 'status'
  line.className = 'jdc-said'
  line.textContent = message
  body.prepend(line)
  return () => line.remove()
}

if (host && session) {
  documentElement.lang = navigator.language // what the core speaks is decided when it comes
  const sheet = new CSSStyleSheet()
  sheet.replaceSync(`${whole}\n${css}`)
  document.adoptedStyleSheets.push(sheet)
  const root = document.createElement('main')
  root.className = 'jdc-whole'
  body.replaceChildren(root)
  const core = await importCore(host)
  if (shared) addEventListener('hashchange', () => location.reload())
  core.mount(root, {
    source: { session, turn: null, lsn: 0, snapshot: null, widget: null, notice: null },
    host: shared ? { ...host, share: location.hash.slice(1) } : host,
    signal: new AbortController().signal,
    onTitle: (title) => (document.title = title),
  })
  if (!shared) await core.attend(host, { say }) // who has a link only has no inbox
}
