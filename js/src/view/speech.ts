/**
 * A growing answer for the ear: whole sentences, each once and in order, whatever pieces the text comes in; and of what is
 * not for the ear (code, tables, formulas) that it is there. What was said is never taken back: more text only adds to it.
 */

import { words } from '../words'
import { number } from '../words/numbers'

/** Nothing but the beginning of something: what follows on this line decides what it is. */
const UNDECIDED = /^\s*(?:`{0,2}|~{0,2}|\$|\\|\||[-+*_]+|#{1,6}|\d{1,9}[.)]?|>)[ \t]*$/
const FENCE = /^\s*(`{3,}|~{3,})\s*([^\s`{}]*)/
const TABLE = /^\s*\|/
const FORMULA = /^\s*(?:\$\$|\\\[)/
const FORMULA_END = /(?:\$\$|\\\])\s*$/
/** What begins a unit of its own: headings, items, quotes. */
const MARKER = /^\s*(?:#{1,6}[ \t]|[-+*][ \t]|\d{1,9}[.)][ \t]|>)[ \t]*/
/** The box of a task, the name of a footnote. */
const NOTE = /^\[(?:[ x]|\^[^\]]+)\](?::|(?=\s))\s*/i
const QUOTE = /^\s*>[ \t]?/
/** A rule, the line under a heading, or nothing. */
const RULE = /^\s*[-=*_ \t]*$/
const WORDLESS = /^[^\p{L}\p{N}]*$/u

const SENTENCE_END = /(?<=[.!?…]["'”’»)\]*_]*)\s+(?=\S)|(?<=[。！？])/gu
const CODE_OR_MATH = /`[^`]*`|\$(?![\s$])[^$`]*[^\s$`]\$(?!\d)|\\\([^]{0,1000}?\\\)/g
/** What is begun and not ended: its end decides how it reads. */
const OPEN = /`[^`]*$|\$(?![\s$\d])[^$]*$|\\\([^]*$|!?\[[^\][]*(?:\]\([^()]*)?$|<\/?[a-z][^<>]*$/i

/** What has been heard of one answer, and where it goes on. */
export class Ear {
  /** Where the first unit begins that is not over, and how many of its sentences are said. */
  #at = 0
  #said = 0

  /** What can be said since the last time. `over`: nothing follows, so the last sentence is one, too. */
  hear(source: string, over: boolean): string[] {
    const heard: string[] = []
    for (;;) {
      const unit = nextUnit(source, this.#at, over)
      if (!unit) return heard
      const sentences = unit.sentences.slice(this.#said)
      heard.push(...sentences)
      this.#said += sentences.length
      if (!unit.whole) return heard
      this.#at = unit.end
      this.#said = 0
    }
  }
}

interface Unit {
  /** Those that are complete. */
  sentences: string[]
  /** Nothing can be added to it. */
  whole: boolean
  end: number
}

/** What begins at a place: a paragraph, an item, a block of code; `null`: nothing yet. */
function nextUnit(source: string, from: number, over: boolean): Unit | null {
  const lines = new Lines(source, from, over)
  let line = lines.next()
  while (line !== null && !line.trim()) line = lines.next()
  if (line === null) return null
  const fence = FENCE.exec(line)
  if (fence) return block(lines, (row) => isFenceEnd(row, fence[1] ?? ''), (count) => words.heardCode(fence[2] ?? '', count, number(count)))
  if (FORMULA.test(line)) {
    if (FORMULA_END.test(line.replace(FORMULA, ''))) return { sentences: [words.heardFormula], whole: true, end: lines.at }
    return block(lines, (row) => FORMULA_END.test(row), () => words.heardFormula)
  }
  return TABLE.test(line) ? table(lines) : paragraph(lines, line)
}

/** The lines of a text from a place on; the last one only when it can be told what it is. */
class Lines {
  readonly #source: string
  readonly #over: boolean
  /** Where the next one begins. */
  at: number
  /** The last one that was given has an end. */
  ended = true

  constructor(source: string, from: number, over: boolean) {
    this.#source = source
    this.#over = over
    this.at = from
  }

  next(): string | null {
    if (this.at >= this.#source.length) return null
    const end = this.#source.indexOf('\n', this.at)
    const line = this.#source.slice(this.at, end < 0 ? undefined : end)
    if (end < 0 && !this.#over && UNDECIDED.test(line)) return null
    this.ended = end >= 0 || this.#over
    this.at = end < 0 ? this.#source.length : end + 1
    return line
  }

  /** Whether the text ends here. */
  get over(): boolean {
    return this.#over && this.at >= this.#source.length
  }
}

/** Lines up to one that ends them. */
function block(lines: Lines, isEnd: (line: string) => boolean, say: (count: number) => string): Unit | null {
  for (let count = 0; ; count++) {
    const line = lines.next()
    if (line === null ? !lines.over : !lines.ended) return null
    if (line === null || isEnd(line)) return { sentences: [say(count)], whole: true, end: lines.at }
  }
}

function isFenceEnd(line: string, fence: string): boolean {
  const end = line.trim()
  return end.length >= fence.length && end === (fence[0] ?? '').repeat(end.length)
}

/** Rows without their head, and without the line below it. */
function table(lines: Lines): Unit | null {
  let end = lines.at
  let rows = lines.ended ? 1 : 0
  for (;;) {
    const line = lines.next()
    if (line === null ? !lines.over : !lines.ended && TABLE.test(line)) return null
    if (line === null || !TABLE.test(line)) break
    rows++
    end = lines.at
  }
  const count = Math.max(0, rows - 2)
  return { sentences: [words.heardTable(count, number(count))], whole: true, end }
}

/** A paragraph, a heading or an item: it ends where something else begins, or with a blank line. */
function paragraph(lines: Lines, first: string): Unit {
  let text = first.replace(MARKER, '').replace(NOTE, '')
  let { ended } = lines
  let end = lines.at
  let whole = ended && /^\s*#/.test(first)
  while (!whole && ended) {
    const line = lines.next()
    if (line === null) {
      whole = lines.over
      break
    }
    ended = lines.ended
    const quoted = QUOTE.test(first) && QUOTE.test(line) ? line.replace(QUOTE, '') : line
    const isRule = ended && RULE.test(quoted)
    whole = isRule || [FENCE, TABLE, FORMULA, MARKER].some((start) => start.test(quoted))
    if (!whole || isRule) end = lines.at
    if (!whole) text += `\n${quoted}`
  }
  whole ||= lines.over
  const sentences = sentencesOf(text, whole)
  return { sentences: sentences.map(plain).filter((sentence) => !WORDLESS.test(sentence)), whole, end }
}

/** The sentences of a text; of one that goes on, those that nothing can be added to. */
function sentencesOf(text: string, whole: boolean): string[] {
  const masked = text.replace(CODE_OR_MATH, (span) => 'x'.repeat(span.length))
  const open = whole ? -1 : masked.search(OPEN)
  const readable = open < 0 ? masked : masked.slice(0, open)
  const sentences: string[] = []
  let start = 0
  for (const { index } of readable.matchAll(SENTENCE_END)) {
    sentences.push(text.slice(start, index))
    start = index
  }
  return whole ? [...sentences, text.slice(start)] : sentences
}

/** A sentence without what is only for the eye. */
function plain(sentence: string): string {
  return sentence
    .split(/(`[^`]*`)/)
    .map((piece, index) => (index % 2 ? piece.slice(1, -1) : speakable(piece)))
    .join('')
    .replace(/\s+/g, ' ')
    .trim()
}

function speakable(text: string): string {
  return text
    .replace(/!?\[([^\][]*)\](?:\([^()]*\)?|\[[^\][]*\])/g, '$1')
    .replace(/\[\^[^\][]*\]/g, '')
    .replace(/https?:\/\/([^\s/)>\]]+)[^\s)>\]]*/g, '$1')
    .replace(/\$(?![\s$])[^$`]*[^\s$`]\$(?!\d)|\\\([^]{0,1000}?\\\)/g, words.heardInline)
    .replace(/<\/?[a-z][^<>]*>/gi, '')
    .replace(/(?<!\w)[*_~]{1,3}(?=\S)|(?<=\S)[*_~]{1,3}(?!\w)/g, '')
    .replace(/\\(?=[^\s\w])/g, '')
}

/** About as fast as is listened to, in milliseconds for each character. */
const PACE = 40
/** No more than this many characters at once: what is said cannot be taken back. */
const MOST = 400
const LOOK_AGAIN = 500

/** Says an answer while it grows, as fast as it can be heard and no faster, and then at once that it is over. */
export class Speech {
  readonly #say: (text: string) => void
  readonly #listens: () => boolean
  readonly #ear = new Ear()
  #source = ''
  #pending: string[] = []
  /** There is more than was looked at. */
  #news = false
  #timer: ReturnType<typeof setTimeout> | undefined

  /** `listens`: the person is with this answer now. What comes while they are elsewhere is not made up for. */
  constructor(say: (text: string) => void, listens: () => boolean) {
    this.#say = say
    this.#listens = listens
  }

  /** The answer as it is now. */
  hear(source: string): void {
    if (source === this.#source) return
    this.#source = source
    this.#news = true
    if (this.#timer === undefined) this.#next()
  }

  /** What is there already is not said. */
  skip(source: string): void {
    this.#source = source
    this.#ear.hear(source, false)
  }

  /** Nothing follows: what is left, unless that is too much, and how it ended. */
  end(ending: string): void {
    this.stop()
    const left = this.#listens() ? [...this.#pending, ...this.#ear.hear(this.#source, true)] : []
    const rest = left.join(' ')
    this.#say(rest.length > MOST ? `${ending}. ${words.heardRest(left.length, number(left.length))}` : `${rest} ${ending}`.trim())
  }

  stop(): void {
    clearTimeout(this.#timer)
    this.#timer = undefined
  }

  #next(): void {
    this.#news = false
    this.#pending.push(...this.#ear.hear(this.#source, false))
    if (!this.#listens()) this.#pending = []
    const said = this.#take()
    if (said) this.#say(said)
    this.#timer = setTimeout(() => this.#wake(), Math.max(LOOK_AGAIN, said.length * PACE))
  }

  #wake(): void {
    this.#timer = undefined
    if (this.#news || this.#pending.length > 0) this.#next()
  }

  /** As many sentences as are said at once. */
  #take(): string {
    let said = this.#pending.shift() ?? ''
    while (said.length + (this.#pending[0]?.length ?? MOST) < MOST) said = `${said} ${this.#pending.shift()}`
    return said
  }
}
