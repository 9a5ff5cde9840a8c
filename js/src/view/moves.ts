/**
 * Moving with the keyboard. With Alt the arrows go from turn to turn, from anywhere but where one writes. Keys without Alt
 * or Ctrl act only while a message itself has the focus, and press the buttons that it has: what it offers no button for,
 * no key does.
 */

export interface Moves {
  /** To the next turn (1), or the one before (-1); whether there is one. */
  turn(by: 1 | -1): boolean
  /** To the next message, or the one before. */
  message(from: HTMLElement, by: 1 | -1): void
  /** To where the session ends (1), or begins. */
  edge(by: 1 | -1): void
  help(): void
}

const BUTTONS: Record<string, string> = {
  e: '.jdc-edit',
  r: '.jdc-retry',
  c: '.jdc-copy-answer, .jdc-copy-question',
  n: '.jdc-fork',
  f: '.jdc-fold, .jdc-unfold',
  ArrowLeft: '.jdc-versions button:first-of-type',
  ArrowRight: '.jdc-versions button:last-of-type',
}

export function onMoveKey(event: KeyboardEvent, moves: Moves): void {
  const { target, key } = event
  if (!(target instanceof HTMLElement) || event.ctrlKey || event.metaKey || event.defaultPrevented) return
  const arrow = key === 'ArrowDown' ? 1 : key === 'ArrowUp' ? -1 : null
  if (event.altKey) {
    if (arrow === null || event.shiftKey || target.matches('input, textarea, select')) return
    if (moves.turn(arrow)) event.preventDefault()
    return
  }
  if (key === '?' && target.matches('.jdc-message, .jdc-scroll')) {
    event.preventDefault()
    return moves.help()
  }
  if ((key === 'Home' || key === 'End') && !event.shiftKey && target.matches('.jdc-message, .jdc-scroll')) {
    event.preventDefault() // browsers fly over all that is between, which nobody reads and most of which is not drawn
    return moves.edge(key === 'End' ? 1 : -1)
  }
  const message = target.closest<HTMLElement>('.jdc-message')
  // A message that was only clicked has the focus, too, but nobody expects its keys to act.
  const isOnMessage = message === target && message.matches(':focus-visible')
  const isOnVersions = target.closest('.jdc-versions') !== null && (key === 'ArrowLeft' || key === 'ArrowRight')
  if (!message || event.shiftKey || !(isOnMessage || isOnVersions)) return
  if (arrow !== null) {
    if (goesOn(message, arrow)) return // the window scrolls through it first
    event.preventDefault()
    return moves.message(message, arrow)
  }
  const button = message.querySelector<HTMLButtonElement>(BUTTONS[key] ?? 'never')
  if (!button || button.disabled) return
  event.preventDefault()
  button.click()
}

/** Whether there is more of it, out of sight in this direction. */
function goesOn(message: HTMLElement, by: 1 | -1): boolean {
  const inside = message.closest('.jdc-scroll')?.getBoundingClientRect()
  if (!inside) return false
  const { top, bottom } = message.getBoundingClientRect()
  return by > 0 ? bottom > inside.bottom + 1 : top < inside.top - 1
}
