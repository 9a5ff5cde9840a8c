/** The names of our commands, which menus and shortcuts refer to (`schema/sessions.json`). */

export const commands = {
  panel: 'jupyter-durable-chat:show-panel',
  create: 'jupyter-durable-chat:new',
  open: 'jupyter-durable-chat:open',
  openNotebook: 'jupyter-durable-chat:open-notebook',
  openMain: 'jupyter-durable-chat:open-main',
  openPage: 'jupyter-durable-chat:open-page',
  rename: 'jupyter-durable-chat:rename',
  mute: 'jupyter-durable-chat:mute',
  delete: 'jupyter-durable-chat:delete',
} as const
