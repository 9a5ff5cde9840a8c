/** What calls are drawn with. */

import css from '../calls.css'
import { addStyles } from '../styles'

export { File } from '../File'
export { Entries } from '../Plan'
export { Tool } from '../Tool'

addStyles(css)
