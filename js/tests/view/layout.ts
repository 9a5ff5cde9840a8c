/** A layout for jsdom, which has none: slots of known heights below one another, in a window that scrolls. */

import { act } from 'preact/test-utils'

export const WINDOW = 600
const GAP = 18

/** How tall a message is when it is drawn. */
export const heights = new Map<string, number>()
const USUAL = 300

const observers = new Set<() => void>()
const idle = new Map<number, () => void>()

const box = () => document.querySelector<HTMLElement>('.jdc-scroll') as HTMLElement
const slots = () => [...document.querySelectorAll<HTMLElement>('.jdc-slot')]

/** Where each slot begins and ends in the content, as the page is now. */
function lay(): { slot: HTMLElement; from: number; to: number }[] {
  let from = 0
  return slots().map((slot) => {
    const message = slot.firstElementChild as HTMLElement
    const id = message.dataset['messageId']
    const height = id === undefined ? Number.parseFloat(slot.style.height) : (heights.get(id) ?? USUAL)
    const place = { slot, from, to: from + height }
    from = place.to + GAP
    return place
  })
}

const whole = () => lay().at(-1)?.to ?? 0

function rectOf(element: Element): DOMRect {
  const scroller = box()
  if (element === scroller) return new DOMRect(0, 0, 800, WINDOW)
  const slot = element.closest('.jdc-slot')
  const { from, to } = lay().find((one) => one.slot === slot) ?? { from: 0, to: whole() }
  return new DOMRect(0, from - scroller.scrollTop, 800, to - from)
}

let top = 0

/** From here on there is a layout. */
export function layOut(): void {
  top = 0
  heights.clear()
  idle.clear()
  observers.clear()
  const isBox = (element: Element) => element.matches('.jdc-scroll')
  const define = (name: string, property: PropertyDescriptor) =>
    Object.defineProperty(HTMLElement.prototype, name, { configurable: true, ...property })
  const end = () => Math.max(0, whole() - WINDOW)
  define('clientHeight', { get: () => WINDOW })
  define('clientWidth', { get: () => 800 })
  define('scrollHeight', { get: () => whole() })
  define('scrollTop', {
    get(this: HTMLElement) {
      return isBox(this) ? Math.min(top, end()) : 0
    },
    set(this: HTMLElement, value: number) {
      if (isBox(this)) top = Math.max(0, Math.min(value, end()))
    },
  })
  define('scrollBy', {
    value(this: HTMLElement, { top }: ScrollToOptions) {
      this.scrollTop += top ?? 0
    },
  })
  define('getBoundingClientRect', {
    value(this: HTMLElement) {
      return rectOf(this)
    },
  })
  define('getClientRects', { value: () => [new DOMRect()] })
  globalThis.ResizeObserver = class {
    readonly #callback: () => void
    constructor(callback: ResizeObserverCallback) {
      this.#callback = () => callback([], this)
      observers.add(this.#callback)
    }
    observe() {}
    unobserve() {}
    disconnect() {
      observers.delete(this.#callback)
    }
  }
  let ids = 0
  globalThis.requestIdleCallback = (task) => {
    idle.set(++ids, () => task({ didTimeout: false, timeRemaining: () => 50 }))
    return ids
  }
  globalThis.cancelIdleCallback = (id) => void idle.delete(id)
}

/** A person scrolls to there. */
export async function scrollTo(to: number): Promise<void> {
  await act(() => {
    box().scrollTop = to
    box().dispatchEvent(new Event('scroll'))
  })
}

/** Something has changed its height. */
export async function resized(): Promise<void> {
  await act(() => {
    for (const observer of observers) observer()
  })
  await act(() => new Promise((resolve) => requestAnimationFrame(() => resolve())))
}

/** The browser has nothing else to do, for as long as there is something left. */
export async function rest(): Promise<void> {
  while (idle.size > 0) {
    const [[id, task]] = idle as unknown as [[number, () => void]]
    idle.delete(id)
    await act(task)
  }
}

export const drawnIds = () => [...document.querySelectorAll<HTMLElement>('.jdc-slot .jdc-message')].map(({ dataset }) => dataset['messageId'] ?? '')

/** Where a message stands below the upper edge of the window. */
export function place(id: string): number {
  return rectOf(document.querySelector(`[data-message-id="${id}"]`) as Element).top
}

export const position = () => ({ top: box().scrollTop, end: whole() - WINDOW })
