/** A button of a code block. The check is for what has been done. */

import { type IconName, icon } from '../Icon'

export function button(name: string, image: IconName, label: string): HTMLButtonElement {
  const element = document.createElement('button')
  element.type = 'button'
  element.className = name
  element.ariaLabel = element.title = label
  element.append(icon(image), icon('check'))
  return element
}
