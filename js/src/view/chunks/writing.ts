/** Where one writes, and what becomes of it. */

import { addStyles } from '../styles'
import css from '../writing.css'

export { Composer } from '../Composer'
export { Editor } from '../Editor'
export { AmendingEditor, OutgoingMessage, Unsent } from '../Outgoing'

addStyles(css)
