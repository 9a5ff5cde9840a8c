/**
 * The plugin of JupyterLab and Notebook 7: chats reach the notebook around them. It loads no core, and asks for nothing
 * that an application may lack.
 */

import { offerNotebook } from '../host'
import { insertBelow, replace, run } from './cells'
import type { App } from './jupyter'
import { mentioned, mentions } from './mentions'

export default {
  id: 'jupyter-durable-chat:notebook',
  description: 'Lets chats put code into the notebook around them, and name what is in it.',
  autoStart: true,
  activate(app: App): void {
    offerNotebook({
      insertBelow: (code, from) => insertBelow(app, code, from),
      replace: (code, from) => replace(app, code, from),
      run: (code, from) => run(app, code, from),
      mentions: (query, from, signal) => mentions(app, query, from, signal),
      mentioned: (mention, from, signal) => mentioned(app, mention, from, signal),
    })
  },
}
