/**
 * Where a person is in a window that scrolls: at its end, which they follow as it moves on, or at what they read, which
 * stays where it is, whatever above it or below it changes its height. Otherwise only the person moves it.
 *
 * What is at the upper edge is noted whenever the person has scrolled, and brought back there after layout and before
 * paint, so no frame shows it elsewhere. (The browsers' own scroll anchoring is not in all of them, and lets go of what is
 * drawn anew.)
 */

import { createRef } from 'preact'

/** After so many frames in which nothing has moved, a scroll is over. */
const STILL = 10

/** Who comes nearer to the end than this, in CSS pixels, follows it again; who leaves it by more than a rounding does not. */
const NEAR = 24
const ROUNDING = 1

interface Mark {
  element: Element
  /** How far below the beginning of the content it begins. */
  at: number
}

interface Listener {
  /** Other things are in sight. */
  moved(): void
  /** The window has another size, or what is in it; it is settled. Layout is over in this frame. */
  resized(): void
}

export class Position {
  readonly box = createRef<HTMLDivElement>()
  /** What is scrolled: as long as the content, but while somebody holds the scrollbar. */
  readonly roll = createRef<HTMLDivElement>()
  readonly content = createRef<HTMLDivElement>()
  following: boolean
  /** What is at the upper edge, from the outside to the inside. */
  #marks: Mark[] = []
  #top = 0
  #frame: number | null = null
  readonly #listeners = new Set<Listener>()

  constructor(following: boolean) {
    this.following = following
  }

  /** Watches the elements, which are there, until the signal. */
  watch(signal: AbortSignal): void {
    const { current: box } = this.box
    const { current: content } = this.content
    if (!box || !content) return
    const observer = new ResizeObserver(() => this.#resized())
    observer.observe(box)
    observer.observe(content)
    signal.addEventListener('abort', () => observer.disconnect())
    const listening = { passive: true, signal }
    box.addEventListener('keydown', () => this.#watchFrames(box), listening)
    box.addEventListener('scroll', () => box.scrollTop !== this.#top && (this.#scrolled(box), this.#watchFrames(box)), listening)
    box.addEventListener('mousedown', (event) => this.#grasp(box, event), listening)
    for (const type of ['mouseup', 'mousemove'] as const) addEventListener(type, ({ buttons }) => buttons === 0 && this.#release(), listening)
    signal.addEventListener('abort', () => this.#frame !== null && cancelAnimationFrame(this.#frame))
  }

  /**
   * While somebody holds the scrollbar, what is scrolled stays as long as it was: at each change of that, Chromium leaves out
   * a movement of theirs. A press there has no other end that is told everywhere than the next one without buttons.
   */
  #grasp(box: HTMLElement, { target, offsetX }: MouseEvent): void {
    const { current: roll } = this.roll
    if (!roll || target !== box || (offsetX >= 0 && offsetX < box.clientWidth)) return
    Object.assign(roll.style, { height: `${roll.getBoundingClientRect().height}px`, overflow: 'clip' })
  }

  #release(): void {
    const { current: roll } = this.roll
    if (!roll?.style.height) return
    roll.removeAttribute('style')
    this.#resized()
  }

  #resized(): void {
    this.settle()
    for (const { resized } of this.#listeners) resized()
  }

  /**
   * A scroll that a browser animates for a key moves after the events of a frame, which are told of it in the next one: until
   * it is over, each frame is looked at before it is painted.
   */
  #watchFrames(box: HTMLElement): void {
    if (this.#frame !== null) cancelAnimationFrame(this.#frame)
    let still = 0
    const look = () => {
      still = box.scrollTop === this.#top ? still + 1 : 0
      if (still === 0) this.#scrolled(box)
      this.#frame = still < STILL ? requestAnimationFrame(look) : null
    }
    this.#frame = requestAnimationFrame(look)
  }

  /** While it is held, what becomes longer in it is scrolled to instead of moving what is below. */
  holdHeight(held: boolean): void {
    const { current: box } = this.box
    if (box) box.style.height = held ? `${box.getBoundingClientRect().height}px` : ''
  }

  /** Until what is returned is called. */
  listen(listener: Listener): () => void {
    this.#listeners.add(listener)
    return () => void this.#listeners.delete(listener)
  }

  /** How far the end is below the lower edge. */
  get toEnd(): number {
    const { current: box } = this.box
    return box ? box.scrollHeight - box.clientHeight - box.scrollTop : 0
  }

  get atEnd(): boolean {
    return this.toEnd <= NEAR
  }

  /** Something may have changed its height. */
  settle(): void {
    const { current: box } = this.box
    if (!box || box.clientHeight === 0) return // it is not in the page now, or not shown
    this.#heed(box)
    if (this.following) box.scrollTop = box.scrollHeight
    this.#note(box, this.following ? 0 : this.#hold(box))
  }

  /** What is in sight is being read. */
  stay(): void {
    this.following = false
    this.settle()
  }

  toTheEnd(): void {
    this.following = true
    this.settle()
    this.#tell()
  }

  toTheBeginning(): void {
    const { current: box } = this.box
    if (!box) return
    this.following = false
    box.scrollTop = 0
    this.#note(box)
    this.#tell()
  }

  /** Brings an element in the content to the upper edge, and keeps it there. */
  toTop(element: Element, gap: number): void {
    const { current: box } = this.box
    if (!box) return
    this.following = false
    box.scrollTop += Math.round(topOf(element) - topOf(box) - gap)
    this.#note(box, topOf(element) - topOf(box) - gap)
    this.#tell()
  }

  #scrolled(box: HTMLElement): void {
    this.#heed(box)
    this.#note(box)
    this.#tell()
  }

  #tell(): void {
    for (const { moved } of this.#listeners) moved()
  }

  /** Who has scrolled since then follows, or does not. */
  #heed(box: HTMLElement): void {
    const { scrollTop } = box
    // Only a person moves it up, be it by a pixel; where a text that became shorter does, it ends at the end.
    if (scrollTop < this.#top) this.following &&= this.toEnd <= ROUNDING
    else if (scrollTop > this.#top) this.following ||= this.atEnd
  }

  /** How far it is below its place now: scrolled is by whole pixels, and what is left of them must not add up. */
  #hold(box: HTMLElement): number {
    const mark = this.#marks.findLast(({ element }) => box.contains(element) && element.getClientRects().length > 0)
    if (!mark) return 0
    const { scrollTop } = box
    const before = topOf(mark.element) - topOf(box)
    const shift = before + scrollTop - mark.at
    // Where it ends earlier than it did, the browser may have moved it already.
    const cut = scrollTop < this.#top && this.toEnd <= ROUNDING ? this.#top - scrollTop : 0
    // By, not to: a scroll of the person's that is under way goes on.
    if (Math.abs(shift + cut) >= 0.5) box.scrollBy({ top: Math.round(shift + cut), behavior: 'instant' })
    return topOf(mark.element) - topOf(box) - (before - shift - cut)
  }

  /** What is at the upper edge belongs higher than it is by `off`, unless it could not be scrolled to. */
  #note(box: HTMLElement, off = 0): void {
    const left = Math.abs(off) < 1 ? off : 0
    this.#top = box.scrollTop
    this.#marks = [] // at the end, too: who leaves it is there before anybody says so
    const { top: edge, bottom } = box.getBoundingClientRect()
    let within: Element | null = this.content.current
    while (within) {
      const first: Element | undefined = within.children[firstBelow(within.children, edge)]
      if (!first) return
      const element: Element = firstThere(first, bottom) ?? first
      const top = topOf(element) - edge
      this.#marks.push({ element, at: top + this.#top - left })
      within = top < 0 ? element : null
    }
  }
}

/** What is about to be drawn may become as tall as it will: the first that is there, and in sight, is to stay where it is. */
function firstThere(element: Element, bottom: number): Element | null {
  for (let next: Element | null = element; next && topOf(next) < bottom; next = next.nextElementSibling) {
    if (!next.matches('.jdc-away')) return next
  }
  return null
}

function topOf(element: Element): number {
  return element.getBoundingClientRect().top
}

/** The first of these, which stand one below the other, that ends below this height of the viewport. */
export function firstBelow(elements: ArrayLike<Element>, height: number): number {
  let from = 0
  let to = elements.length
  while (from < to) {
    const middle = (from + to) >> 1
    if ((elements[middle] as Element).getBoundingClientRect().bottom > height) to = middle
    else from = middle + 1
  }
  return from
}
