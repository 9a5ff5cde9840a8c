/** A menu under a button: one at a time, in the top layer, gone with the next press, key or scroll outside of it. */

import { icon } from '../Icon'

export interface Item {
  label: string
  /** More about it, in small letters. */
  detail?: string
  /** It is something that is on or off. */
  checked?: boolean
  /** It cannot be chosen now; `detail` says why. */
  disabled?: boolean
  choose(): void
}

const actions = new WeakMap<Element, () => void>()

let close = (_refocus: boolean): void => undefined

/** Opens the button's menu, or closes it if it is open. */
export function toggleMenu(button: HTMLElement, items: readonly Item[]): void {
  const isOpen = button.ariaExpanded === 'true'
  close(false)
  if (!isOpen) open(button, items)
}

/** Does what was pressed, if it is in a menu. */
export function chooseItem(target: Element): boolean {
  const item = target.closest('.jdc-menu [role]:not([role=menu])')
  if (!item) return false
  if (item.ariaDisabled === 'true') return true
  const choose = actions.get(item)
  close(true)
  choose?.()
  return true
}

function open(button: HTMLElement, items: readonly Item[]): void {
  const menu = document.createElement('div')
  menu.className = 'jdc-menu'
  menu.role = 'menu'
  menu.ariaLabel = button.ariaLabel
  menu.popover = 'manual'
  menu.append(...items.map(draw))
  button.after(menu)
  button.ariaExpanded = 'true'
  const closed = new AbortController()
  const { signal } = closed
  close = (refocus) => {
    close = () => undefined
    closed.abort()
    menu.remove()
    button.ariaExpanded = 'false'
    if (refocus) button.focus({ preventScroll: true })
  }
  const outside = ({ target }: Event) => target instanceof Node && !menu.contains(target) && !button.contains(target) && close(false)
  menu.addEventListener('keydown', (event) => onKey(event, menu), { signal })
  menu.addEventListener('focusout', ({ relatedTarget }) => relatedTarget && outside({ target: relatedTarget } as unknown as Event), { signal })
  for (const type of ['pointerdown', 'wheel', 'scroll']) document.addEventListener(type, outside, { signal, capture: true, passive: true })
  addEventListener('resize', () => close(false), { signal })
  menu.showPopover?.()
  place(menu, button)
  focusable(menu)[0]?.focus({ preventScroll: true })
}

function draw({ label, detail, checked, disabled, choose }: Item): HTMLElement {
  const item = document.createElement('button')
  item.type = 'button'
  item.tabIndex = -1
  item.role = checked === undefined ? 'menuitem' : 'menuitemcheckbox'
  if (checked !== undefined) item.ariaChecked = String(checked)
  if (disabled) item.ariaDisabled = 'true'
  const words = document.createElement('span')
  words.textContent = label
  if (detail) words.append(Object.assign(document.createElement('small'), { textContent: detail }))
  item.append(words)
  if (checked !== undefined) item.append(icon('check'))
  actions.set(item, choose)
  return item
}

/** Below the button if there is room, else above it, and inside the window. */
function place(menu: HTMLElement, button: HTMLElement): void {
  const { top, bottom, right } = button.getBoundingClientRect()
  const { width, height } = menu.getBoundingClientRect()
  const below = bottom + 4
  menu.style.top = `${below + height > innerHeight - 8 && top > height + 12 ? top - 4 - height : below}px`
  menu.style.left = `${Math.max(8, right - width)}px`
}

function onKey(event: KeyboardEvent, menu: HTMLElement): void {
  const items = focusable(menu)
  const at = items.indexOf(event.target as HTMLElement)
  const steps: Record<string, number> = { ArrowDown: at + 1, ArrowUp: at - 1, Home: 0, End: -1 }
  const step = steps[event.key]
  if (step !== undefined) items.at(step % items.length)?.focus()
  else if (event.key === 'Escape') close(true)
  else if (event.key === 'Tab') close(true)
  else return
  if (event.key !== 'Tab') event.preventDefault()
  event.stopPropagation() // Escape would stop the answer
}

function focusable(menu: HTMLElement): HTMLElement[] {
  return [...menu.querySelectorAll<HTMLElement>('button')]
}
