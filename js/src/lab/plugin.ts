/**
 * The plugins of JupyterLab and Notebook 7. One is for chats in notebooks: they reach the notebook around them, and the person is
 * told of those that they do not watch. It asks for nothing that an application may lack, and loads the core when the page has
 * nothing else to do. The other is for all chats together.
 */

import type { Desk } from '../attention'
import { onIdle } from '../frames'
import { findCore, findHost, offerNotebook } from '../host'
import { Cells } from './cells'
import { desk } from './desk'
import type { App } from './jupyter'
import { mentioned, mentions } from './mentions'
import { preferences, sessions } from './sessions'
import { Preferred } from './settings'
import { turnToWrite } from './turns'
import { Unsaved } from './unsaved'

const notebook = {
  id: 'jupyter-durable-chat:notebook',
  description: 'Lets chats put code into the notebook around them, and name what is in it.',
  autoStart: true,
  optional: [preferences],
  activate(app: App, found: Preferred | null): void {
    const preferred = found ?? new Preferred(null)
    const cells = new Cells(app, document, new AbortController().signal)
    const unsaved = new Unsaved(app, preferred)
    offerNotebook({
      kinds: (from) => cells.kinds(from),
      insertBelow: (snippet, from) => cells.insertBelow(snippet, from),
      run: (snippet, from) => cells.run(snippet, from),
      target: (from) => cells.target(from),
      replace: (snippet, from) => cells.replace(snippet, from),
      turnToWrite: (from) => turnToWrite(app, from),
      mentions: (query, from, signal) => mentions(app, query, from, signal),
      mentioned: (mention, from, signal) => mentioned(app, mention, from, signal),
      begun: (session, from) => void unsaved.begun(session, from),
    })
    const host = findHost()
    const place = desk(app)
    if (host) void app.restored?.then(() => onIdle(() => void attend(host, place, preferred)))
  },
}

export default [sessions, notebook]

/** What cannot be fetched now is there when the page is opened the next time. */
async function attend(host: { baseUrl: string }, place: Desk, preferred: Preferred): Promise<void> {
  const core = await findCore(host)
  if (!core) return
  await preferred.join(core.preferences)
  await core.attend(host, place)
}
