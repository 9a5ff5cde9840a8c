/** What the core mounts, styles and saves. */

export { ChatView } from './ChatView'
export { toHtml } from './html'
export { toMarkdown, toText } from './static'
export { default as css } from './view.css'
