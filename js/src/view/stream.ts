/**
 * A text that grows, as Markdown: closed blocks are drawn once and kept, only the open end is drawn again.
 *
 * Whatever the pieces it came in, after `update(text, true)` the nodes are those of the whole text parsed at once:
 * the last update parses it all and repairs what differs; of a long text when there is time for it, soon after. Until then
 * a block is closed as soon as no further line can change it, and drawn again only when a definition that it names arrives.
 *
 * Of a long text that was complete before it was ever drawn, the ends come first, which is where a person begins to read;
 * what is between them follows piece by piece, from below, in a place that is about as tall as it will be.
 */

import { inSlices, onIdle, onNextFrame } from '../frames'
import { finish, dress } from './dress'
import { heightOf } from './estimate'
import { type Block, blockByBlock, blocks, type Cut, cut, type Links, noLinks, settled } from './markdown'
import { typesetLater } from './math'
import { mend } from './mend'
import { morph } from './morph'
import { sanitize } from './sanitize'

interface Drawn extends Block {
  nodes: ChildNode[]
  finished: boolean
}

/**
 * In characters: more than this is not drawn at once, but in pieces of so many; so many pieces of each end come first. Nor
 * is more parsed at once when it is complete.
 */
const LONG = 24_000
const PIECE = 2_000
const ENDS = 2

export class MarkdownStream {
  readonly #root: Element
  #drawn: Drawn[] = []
  /** The source of the closed blocks, how many they are, and the definitions in it. */
  #closed = ''
  #count = 0
  #links = noLinks()
  /** What has been searched for closed blocks, in complete lines; and what its last, open block is. */
  #searched = 0
  #open = ''
  /** What is not drawn yet, and where it will be. */
  #missing: string[] = []
  #gap: HTMLElement | null = null
  #cancel: () => void = () => undefined

  constructor(root: Element) {
    this.#root = root
  }

  /** The text so far; `done` when nothing will follow. */
  update(text: string, done: boolean): void {
    const source = text.includes('\r') ? text.replace(/\r\n?/g, '\n') : text
    this.stop()
    if (!source.startsWith(this.#closed)) this.#forget()
    if (done) this.#settle(source)
    else this.#grow(source)
  }

  /** What is missing stays missing until the next update. */
  stop(): void {
    this.#cancel()
    this.#missing = []
    this.#gap?.remove()
    this.#gap = null
  }

  #grow(source: string): void {
    const lines = source.lastIndexOf('\n') + 1
    if (lines > this.#searched) this.#close(source, lines)
    const tail = source.slice(this.#closed.length)
    const shown = this.#open === 'code' || this.#open === 'texBlock' ? tail : mend(tail)
    this.#draw(this.#count, blocks(shown, this.#withClosedLinks(), 'growing'))
  }

  #close(source: string, lines: number): void {
    const { length, open } = settled(source.slice(this.#closed.length, lines))
    this.#searched = lines
    this.#open = open
    if (length > 0) this.#closeTo(this.#closed.length + length, source)
  }

  /** What is before `end` is closed now. */
  #closeTo(end: number, source: string): void {
    const links = this.#withClosedLinks()
    const closing = blocks(source.slice(this.#closed.length, end), links, 'whole')
    const defined = Object.keys(links).filter((name) => !(name in this.#links))
    this.#links = links
    this.#closed = source.slice(0, end)
    closing.forEach((block, offset) => this.#put(this.#count + offset, block))
    this.#count += closing.length
    if (defined.length > 0) this.#redraw(defined)
    this.#finish(this.#count)
  }

  /** Draws the closed blocks that name one of these definitions again. */
  #redraw(defined: string[]): void {
    this.#drawn.slice(0, this.#count).forEach((block, index) => {
      const raw = block.raw.toLowerCase().replace(/\s+/g, ' ')
      if (!defined.some((name) => raw.includes(`[${name}]`))) return
      const [again] = blocks(block.raw, this.#withClosedLinks(), 'whole')
      if (again) this.#put(index, again)
    })
  }

  #settle(source: string): void {
    const ends = this.#drawn.length === 0 && source.length > LONG ? cut(source, PIECE) : null
    if (ends && ends.pieces.length > 2 * ENDS) this.#drawEnds(ends)
    else if (this.#closed.length > LONG) this.#drawEnd(source)
    else this.#draw(0, blocks(source, noLinks(), 'whole'))
    this.#finish(this.#drawn.length)
    this.#forget() // an answer that is continued goes on inside its last block
  }

  /** What is open yet is closed; then the whole text is looked through in slices. */
  #drawEnd(source: string): void {
    this.#closeTo(source.length, source)
    this.#draw(this.#count, [])
    this.#cancel = onIdle(() => void this.#repair(source))
  }

  async #repair(source: string): Promise<void> {
    let stopped = false
    this.#cancel = () => (stopped = true)
    const pause = inSlices()
    const whole: Block[] = []
    for (const block of blockByBlock(source, noLinks(), 'whole')) {
      if (block) whole.push(block)
      await pause()
      if (stopped) return
    }
    this.#draw(0, whole)
    this.#finish(this.#drawn.length)
  }

  #drawEnds({ pieces, links }: Cut): void {
    const draw = (some: string[]) => some.forEach((piece) => this.#draw(this.#drawn.length, blocks(piece, links, 'whole')))
    draw(pieces.slice(0, ENDS))
    const index = this.#drawn.length
    this.#missing = pieces.slice(ENDS, -ENDS)
    this.#root.append((this.#gap = document.createElement('div')))
    this.#leaveRoom()
    draw(pieces.slice(-ENDS))
    this.#cancel = onNextFrame(() => this.#drawMissing(index, links))
  }

  /** One more piece in every frame, the last one first: its blocks come at the index. */
  #drawMissing(index: number, links: Links): void {
    const piece = this.#missing.pop() ?? ''
    blocks(piece, links, 'whole').forEach((block, offset) => {
      this.#drawn.splice(index + offset, 0, { raw: '', html: '', nodes: [], finished: true })
      this.#put(index + offset, block)
    })
    this.#finish(this.#drawn.length)
    if (this.#missing.length === 0) return this.stop()
    this.#leaveRoom()
    this.#cancel = onNextFrame(() => this.#drawMissing(index, links))
  }

  #leaveRoom(): void {
    const width = this.#root.clientWidth
    const height = this.#missing.reduce((sum, piece) => sum + heightOf(piece, width), 0)
    if (this.#gap) this.#gap.style.height = `${height}px`
  }

  /** The blocks from `index` on are these, and no others. */
  #draw(index: number, next: Block[]): void {
    next.forEach((block, offset) => this.#put(index + offset, block))
    for (const { nodes } of this.#drawn.splice(index + next.length)) for (const node of nodes) node.remove()
  }

  #put(index: number, block: Block): void {
    const old = this.#drawn[index]
    if (old?.html === block.html) {
      old.raw = block.raw
      return
    }
    const next = [...dress(sanitize(block.html)).childNodes]
    const nodes = morph(this.#root, old?.nodes ?? [], next, this.#after(index))
    this.#drawn[index] = { ...block, nodes, finished: false }
    for (const node of nodes) if (node instanceof Element) typesetLater(node)
  }

  /** The node in front of which a block belongs. */
  #after(index: number): ChildNode | null {
    for (let next = index + 1; next < this.#drawn.length; next++) {
      const node = this.#drawn[next]?.nodes[0]
      if (node) return node
    }
    return null
  }

  #finish(count: number): void {
    for (const block of this.#drawn.slice(0, count)) {
      if (block.finished) continue
      block.finished = true
      for (const node of block.nodes) if (node instanceof Element) finish(node)
    }
  }

  #withClosedLinks(): Links {
    return Object.assign(noLinks(), this.#links)
  }

  /** What is drawn stays where it is the same. */
  #forget(): void {
    this.#closed = ''
    this.#count = 0
    this.#searched = 0
    this.#open = ''
    this.#links = noLinks()
  }
}
