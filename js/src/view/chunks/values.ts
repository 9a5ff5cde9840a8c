/** What data is drawn with: what calls take and give, and variables. */

import { addStyles } from '../styles'
import css from '../values.css'

export { Data } from '../Data'
export { Grid } from '../Grid'

addStyles(css)
