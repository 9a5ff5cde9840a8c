/**
 * Moving with the keyboard. With Alt the arrows go from turn to turn, from anywhere but where one writes. The keys of an
 * ARIA feed go from message to message, from anything in one, and with Ctrl out of all of them. Other keys without Alt
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

const WRITES = 'input, textarea, select'

const PAGES: Record<string, 1 | -1> = { PageDown: 1, PageUp: -1 }

const FOCUSABLE = 'a[href], button, input, textarea, select, summary, [tabindex]'

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
  if (!(target instanceof HTMLElement) || event.metaKey || event.defaultPrevented) return
  if (event.ctrlKey) {
    if ((key !== 'Home' && key !== 'End') || event.altKey || event.shiftKey || target.matches(WRITES)) return
    const beside = outside(target, key === 'End' ? 1 : -1)
    if (!beside) return
    event.preventDefault()
    return beside.focus()
  }
  const arrow = key === 'ArrowDown' ? 1 : key === 'ArrowUp' ? -1 : null
  if (event.altKey) {
    if (arrow === null || event.shiftKey || target.matches(WRITES)) return
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
  const page = PAGES[key]
  if (page && message && !event.shiftKey && !target.matches(WRITES) && target.matches(':focus-visible') && !scrolls(target, message)) {
    event.preventDefault()
    return moves.message(message, page)
  }
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

/** Whether it goes through what is in it by itself, as long code does. */
function scrolls(target: HTMLElement, message: HTMLElement): boolean {
  return target !== message && target.scrollHeight > target.clientHeight + 1 && /auto|scroll/.test(getComputedStyle(target).overflowY)
}

/** What takes the focus next after all messages (1), or before them. */
function outside(target: HTMLElement, by: 1 | -1): HTMLElement | undefined {
  const feed = target.closest('.jdc-scroll')
  const side = by > 0 ? Node.DOCUMENT_POSITION_FOLLOWING : Node.DOCUMENT_POSITION_PRECEDING
  const found = [...(feed?.closest('.jdc-chat')?.querySelectorAll<HTMLElement>(FOCUSABLE) ?? [])].filter(
    (element) => !feed?.contains(element) && feed && feed.compareDocumentPosition(element) & side && takesFocus(element),
  )
  return found.at(by > 0 ? 0 : -1)
}

function takesFocus(element: HTMLElement): boolean {
  return element.tabIndex >= 0 && !element.matches(':disabled') && element.getClientRects().length > 0
}

/** Whether there is more of it, out of sight in this direction. */
function goesOn(message: HTMLElement, by: 1 | -1): boolean {
  const inside = message.closest('.jdc-scroll')?.getBoundingClientRect()
  if (!inside) return false
  const { top, bottom } = message.getBoundingClientRect()
  return by > 0 ? bottom > inside.bottom + 1 : top < inside.top - 1
}
