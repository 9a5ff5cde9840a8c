/** The mark of our panel, tabs and commands, in the colours of JupyterLab's own. */

import { LabIcon } from '@jupyterlab/ui-components'

export const icon = new LabIcon({
  name: 'jupyter-durable-chat:chats',
  svgstr:
    '<svg xmlns="http://www.w3.org/2000/svg" width="16" viewBox="0 0 24 24"><path class="jp-icon3 jp-icon-selectable" fill="#616161" ' +
    'd="M4 3h13a2 2 0 0 1 2 2v7a2 2 0 0 1-2 2H9l-5 4zm2 2v8.8L8.3 12H17V5zm15 3v11.5V22l-4-3h-6v-2h6.700l1.300 1V8z"/></svg>',
})
