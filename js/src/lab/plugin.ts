/**
 * The plugin of JupyterLab and Notebook 7: chats reach the notebook around them. It loads no core, and asks for nothing
 * that an application may lack.
 */

import { offerNotebook } from '../host'
import { Cells } from './cells'
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
  },
}
