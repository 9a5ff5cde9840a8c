/**
 * The plugin of JupyterLab and Notebook 7: chats reach the notebook around them, and the person is told of those that they
 * do not watch. It asks for nothing that an application may lack, and loads the core when the page has nothing else to do.
 */

import type { Desk } from '../attention'
import { onIdle } from '../frames'
import { findHost, importCore, offerNotebook } from '../host'
import { Cells } from './cells'
import { desk } from './desk'
import type { App } from './jupyter'
import { mentioned, mentions } from './mentions'

export default {
  id: 'jupyter-durable-chat:notebook',
  description: 'Lets chats put code into the notebook around them, and name what is in it.',
  autoStart: true,
  activate(app: App): void {
    const cells = new Cells(app, document, new AbortController().signal)
    offerNotebook({
      kinds: (from) => cells.kinds(from),
      insertBelow: (snippet, from) => cells.insertBelow(snippet, from),
      run: (snippet, from) => cells.run(snippet, from),
      target: (from) => cells.target(from),
      replace: (snippet, from) => cells.replace(snippet, from),
      mentions: (query, from, signal) => mentions(app, query, from, signal),
      mentioned: (mention, from, signal) => mentioned(app, mention, from, signal),
    })
    const host = findHost()
    const place = desk(app)
    if (host) void app.restored?.then(() => onIdle(() => void attend(host, place)))
  },
}

/** What cannot be fetched now is there when the page is opened the next time. */
async function attend(host: { baseUrl: string }, place: Desk): Promise<void> {
  const core = await importCore(host).catch(() => null)
  await core?.attend(host, place)
}
