/** Which keys send what is written. With Shift, Enter is a new line, whatever is preferred. */

import { preferences } from '../preferences'
import { words } from '../words'

export const { sendKey } = preferences

/** It belongs to a character that is still being composed. */
export function isComposing({ isComposing, keyCode }: KeyboardEvent): boolean {
  return isComposing || keyCode === 229 // Safari has ended the composition already when its Enter comes
}

export function isSend(event: KeyboardEvent): boolean {
  if (event.key !== 'Enter' || event.shiftKey || event.altKey || isComposing(event)) return false
  return sendKey.value === 'enter' || event.ctrlKey || event.metaKey
}

/** The keys as they are written on this machine. */
export function nameOf(key: typeof sendKey.value): string {
  if (key === 'enter') return words.keys.enter
  return /Mac|iP/.test(navigator.platform) ? words.keys.command : words.keys.control
}
