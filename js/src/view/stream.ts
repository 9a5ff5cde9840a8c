/**
 * A text that grows, as Markdown: closed blocks are drawn once and kept, only the open end is drawn again.
 *
 * Whatever the pieces it came in, after `update(text, true)` the nodes are those of the whole text parsed at once:
 * the last update parses it all and repairs what differs. Until then a block is closed as soon as no further line can
 * change it, and drawn again only when a definition that it names arrives.
 */

import { finish, dress } from './dress'
import { type Block, blocks, type Links, noLinks, settled } from './markdown'
import { typesetLater } from './math'
import { mend } from './mend'
import { morph } from './morph'
import { sanitize } from './sanitize'

interface Drawn extends Block {
  nodes: ChildNode[]
  finished: boolean
}

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

  constructor(root: Element) {
    this.#root = root
  }

  /** The text so far; `done` when nothing will follow. */
  update(text: string, done: boolean): void {
    const source = text.includes('\r') ? text.replace(/\r\n?/g, '\n') : text
    if (!source.startsWith(this.#closed)) this.#forget()
    if (done) this.#settle(source)
    else this.#grow(source)
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
    if (length === 0) return
    const end = this.#closed.length + length
    const links = this.#withClosedLinks()
    const closing = blocks(source.slice(this.#closed.length, end), links, 'whole')
    const defined = Object.keys(links).filter((name) => !(name in this.#links))
    this.#links = links
    this.#closed = source.slice(0, end)
    closing.forEach((block, offset) => this.#put(this.#count + offset, block))
    this.#count += closing.length
    if (defined.length > 0) this.#redraw(defined)
    this.#finish()
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
    this.#draw(0, blocks(source, noLinks(), 'whole'))
    this.#count = this.#drawn.length
    this.#finish()
    this.#forget() // an answer that is continued goes on inside its last block
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
    const nodes = morph(this.#root, old?.nodes ?? [], next, this.#drawn.slice(index + 1).find(({ nodes }) => nodes[0])?.nodes[0] ?? null)
    this.#drawn[index] = { ...block, nodes, finished: false }
    for (const node of nodes) if (node instanceof Element) typesetLater(node)
  }

  #finish(): void {
    for (const block of this.#drawn.slice(0, this.#count)) {
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
