/**
 * Which messages of a long session are drawn: those in sight, before they are painted; those beside them, when there is
 * time; and those that a person has to do with, wherever they are. Of the others there is the place, as tall as they were or
 * are likely to be, and their text, for whoever searches the page.
 *
 * What nobody has touched is drawn from the transcript alone, so that it comes back as it went. What somebody has touched
 * (opened, begun to write, scrolled sideways, focused, selected) does not go.
 */

import { useLayoutEffect, useRef, useState } from 'preact/hooks'
import type { UIMessage } from '../transcript'
import { estimate } from './estimate'
import type { Folds } from './folds'
import { now } from './now'
import { firstBelow, type Position } from './position'

/** How far from the window a message is drawn at once; drawn when there is time; and given up, in heights of the window. */
const SIGHT = 0.1
const BESIDE = 1
const FAR = 3

/** What is drawn before anything can be measured: as much of the end as fills a window of this size. */
const WIDTH = 700
const HEIGHT = 900

/** Above a message that was gone to. */
const GAP = 12

/** The last question and its answer are always there: what is new comes there. */
const LAST = 2

export class Nearby {
  readonly #position: Position
  readonly #redraw: () => void
  readonly #heights = new Map<string, number>()
  readonly #touched = new Set<string>()
  #messages: readonly UIMessage[]
  #drawn: ReadonlySet<string>
  #width = WIDTH
  #printing = false
  #cancel: () => void = () => undefined

  constructor(position: Position, messages: readonly UIMessage[], redraw: () => void) {
    this.#position = position
    this.#messages = messages
    this.#redraw = redraw
    this.#drawn = new Set(ending(messages))
  }

  /** These are the messages now. */
  set messages(messages: readonly UIMessage[]) {
    this.#messages = messages
  }

  isDrawn(index: number): boolean {
    return index >= this.#messages.length - LAST || this.#drawn.has(this.#messages[index]?.id ?? '')
  }

  /** How tall the place of one is that is not drawn. */
  heightOf(message: UIMessage): number {
    let height = this.#heights.get(message.id)
    if (height === undefined) this.#heights.set(message.id, (height = estimate(message, this.#width)))
    return height
  }

  /** Until the signal. */
  watch(signal: AbortSignal): void {
    const { current: content } = this.#position.content
    const forget = this.#position.listen({ moved: () => this.#look(), resized: () => this.#resized() })
    signal.addEventListener('abort', () => {
      forget()
      this.#cancel()
    })
    const on = (target: EventTarget | null, type: string, does: (event: Event) => void) =>
      target?.addEventListener(type, does, { capture: true, signal })
    for (const type of ['input', 'change', 'scroll']) on(content, type, ({ target }) => this.#touch(target))
    on(content, 'click', ({ target }) => {
      if (target instanceof Element && target.closest('button, summary')) this.#touch(target)
    })
    on(content, 'beforematch', ({ target }) => {
      this.#touch(target)
      this.#drawAll((id) => this.#touched.has(id))
    })
    on(content, 'copy', () => this.#drawAll((_, slot) => isSelected(slot)))
    on(window, 'beforeprint', () => {
      this.#printing = true
      this.#drawAll(() => true)
    })
    on(window, 'afterprint', () => {
      this.#printing = false
      this.#look()
    })
  }

  /** What was decided is in the page. */
  settle(): void {
    if (this.#rewraps()) return this.#redraw()
    this.#position.settle()
    this.#look()
  }

  /** Brings a message to the upper edge of the window: this is it, drawn. */
  goTo(id: string): HTMLElement | null {
    const slot = this.#slots[this.#messages.findIndex((message) => message.id === id)]
    // Drawn by the first, it may turn out to be taller, above what is held in its place: then it goes there by the second.
    if (slot) for (let time = 0; time < 2; time += 1) now(() => this.#position.toTop(slot, GAP))
    return slot?.querySelector<HTMLElement>('.jdc-message') ?? null
  }

  /** The question of the turn after (1), or before (-1), the one that somebody is at. */
  turnFrom(by: 1 | -1): string | null {
    const { current: box } = this.#position.box
    if (!box) return null
    const slots = [...this.#slots]
    const focused = slots.findIndex((slot) => slot.matches(':focus-within'))
    const edge = box.getBoundingClientRect().top + GAP
    const isBeyond = (index: number) => {
      if (focused >= 0) return by > 0 ? index > focused : index < focused
      const { top } = (slots[index] as HTMLElement).getBoundingClientRect()
      return by > 0 ? top > edge + 1 : top < edge - 1
    }
    const asked = this.#messages.flatMap(({ id, role }, index) => (role === 'user' && isBeyond(index) ? [id] : []))
    return asked.at(by > 0 ? 0 : -1) ?? null
  }

  /** The message after (1), or before (-1), the one in this element: drawn, and in sight. */
  neighbour(element: Element, by: 1 | -1): HTMLElement | null {
    const slots = [...this.#slots]
    const slot = slots[slots.indexOf(element.closest('.jdc-slot') as HTMLElement) + by]
    if (!slot) return null
    if (slot.matches('.jdc-away')) return this.goTo(this.#messages[slots.indexOf(slot)]?.id ?? '')
    return slot.querySelector<HTMLElement>('.jdc-message')
  }

  get #slots(): HTMLCollectionOf<HTMLElement> {
    return (this.#position.content.current as HTMLElement).getElementsByClassName('jdc-slot') as HTMLCollectionOf<HTMLElement>
  }

  /** What follows from it is drawn in the next frame: layout is over in this one. */
  #resized(): void {
    const rewraps = this.#rewraps()
    const next = this.#next()
    if (!rewraps && !next) return
    requestAnimationFrame(() => {
      if (next) this.#drawn = next
      this.#redraw()
    })
  }

  /** Whether lines have another length than before, so that what is known of heights is not true any more. */
  #rewraps(): boolean {
    const width = this.#position.content.current?.clientWidth || this.#width
    if (width === this.#width) return false
    this.#width = width
    this.#heights.clear()
    return true
  }

  #look(): void {
    const next = this.#next()
    if (next) {
      this.#drawn = next
      this.#redraw()
    } else if (this.#beside() !== null) {
      this.#cancel()
      this.#cancel = whenIdle(() => this.#more())
    }
  }

  /** What is to be drawn, if that is something else than what is. */
  #next(): ReadonlySet<string> | null {
    const { current: box } = this.#position.box
    if (!box || box.clientHeight === 0) return this.#unseen()
    const slots = this.#slots
    const [from, to] = within(box, slots, SIGHT)
    const [nearFrom, nearTo] = within(box, slots, FAR)
    const next = new Set<string>()
    let changed = false
    this.#messages.forEach(({ id }, index) => {
      const was = this.#drawn.has(id)
      const slot = slots[index]
      if ((index >= from && index < to) || (was && ((index >= nearFrom && index < nearTo) || this.#stays(id, slot)))) next.add(id)
      if (was === next.has(id)) return
      changed = true
      if (was && slot) this.#heights.set(id, slot.getBoundingClientRect().height)
    })
    return changed ? next : null
  }

  /** The same where nothing is in sight, as in a tab behind another one. */
  #unseen(): ReadonlySet<string> | null {
    const missing = ending(this.#messages).filter((id) => !this.#drawn.has(id))
    return missing.length > 0 ? new Set([...this.#drawn, ...missing]) : null
  }

  #more(): void {
    const id = this.#beside()
    if (id === null) return
    this.#drawn = new Set([...this.#drawn, id])
    this.#redraw()
  }

  /** The nearest one that is out of sight and not drawn. */
  #beside(): string | null {
    const { current: box } = this.#position.box
    if (!box || box.clientHeight === 0) return null
    const [from, to] = within(box, this.#slots, BESIDE)
    const [above, below] = within(box, this.#slots, 0)
    for (let distance = 0; above - distance > from || below + distance < to; distance += 1) {
      const index = [below + distance, above - 1 - distance].find((index) => index >= from && index < to && !this.isDrawn(index))
      if (index !== undefined) return this.#messages[index]?.id ?? null
    }
    return null
  }

  #stays(id: string, slot: Element | undefined): boolean {
    return this.#printing || this.#touched.has(id) || (slot !== undefined && (slot.matches(':focus-within') || isSelected(slot)))
  }

  #touch(target: EventTarget | null): void {
    const slot = target instanceof Element ? target.closest('.jdc-slot') : null
    const message = slot && this.#messages[[...this.#slots].indexOf(slot as HTMLElement)]
    if (message) this.#touched.add(message.id)
  }

  /** Draws these too, at once. */
  #drawAll(which: (id: string, slot: HTMLElement) => boolean): void {
    const slots = this.#slots
    const more = this.#messages.filter(({ id }, index) => which(id, slots[index] as HTMLElement))
    this.#drawn = new Set([...this.#drawn, ...more.map(({ id }) => id)])
    now(this.#redraw)
  }
}

/** Settled whenever something else is drawn, or folded. `all`: everything is drawn. */
export function useNearby(position: Position, messages: readonly UIMessage[], folds: Folds, all: boolean): Nearby {
  const [version, setVersion] = useState(0)
  const nearby = useRef<Nearby | null>(null)
  nearby.current ??= new Nearby(position, messages, () => setVersion((version) => version + 1))
  nearby.current.messages = messages
  useLayoutEffect(() => {
    if (all) return
    const closing = new AbortController()
    nearby.current?.watch(closing.signal)
    return () => closing.abort()
  }, [all])
  useLayoutEffect(() => {
    if (!all) nearby.current?.settle()
  }, [all, version, folds, messages.length, messages.at(-1)?.id])
  return nearby.current
}

function ending(messages: readonly UIMessage[]): string[] {
  let height = 0
  const first = messages.findLastIndex((message) => (height += estimate(message, WIDTH)) > HEIGHT)
  return messages.slice(Math.max(first, 0)).map(({ id }) => id)
}

/** Which of the slots, from and to, are in the window, or beside it by no more than so many of its heights. */
function within(box: HTMLElement, slots: ArrayLike<Element>, heights: number): [number, number] {
  const { top, bottom, height } = box.getBoundingClientRect()
  const from = firstBelow(slots, top - heights * height)
  const last = firstBelow(slots, bottom + heights * height)
  return [from, Math.min(last + 1, slots.length)]
}

function isSelected(slot: Element): boolean {
  const selection = document.getSelection()
  return selection !== null && !selection.isCollapsed && selection.getRangeAt(0).intersectsNode(slot)
}

/** Once, when the browser has nothing else to do. */
function whenIdle(task: () => void): () => void {
  if (typeof requestIdleCallback === 'undefined') {
    const timer = setTimeout(task, 50)
    return () => clearTimeout(timer)
  }
  const id = requestIdleCallback(task)
  return () => cancelIdleCallback(id)
}
