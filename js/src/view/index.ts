/** What the core mounts. */

import { addStyles } from './styles'
import css from './view.css'

export { ChatView } from './ChatView'

addStyles(css)
