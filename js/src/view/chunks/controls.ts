/** What a person opens to change something. */

import css from '../controls.css'
import sharing from '../sharing.css'
import { addStyles } from '../styles'

export { Choices } from '../Choices'
export { Downloads } from '../Downloads'
export { FoldedAnswer } from '../FoldedAnswer'
export { Forked } from '../Forked'
export { Grip } from '../Grip'
export { Lightbox } from '../Lightbox'
export { onMoveKey } from '../moves'
export { Outline, Shortcuts } from '../Outline'
export { Here } from '../Here'
export { Queue } from '../Queue'
export { Sharing } from '../Sharing'

addStyles(css)
addStyles(sharing)
