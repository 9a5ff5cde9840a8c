/** What a person opens to change something. */

import css from '../controls.css'
import { addStyles } from '../styles'

export { Choices } from '../Choices'
export { Editor } from '../Editor'
export { Lightbox } from '../Lightbox'
export { Queue } from '../Queue'

addStyles(css)
