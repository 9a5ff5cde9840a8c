/**
 * The dialect: GitHub's Markdown with TeX and footnotes, one top-level block at a time.
 *
 * A block's HTML depends on its own source and on `links`, the definitions of the whole text (link references and
 * footnotes), and on nothing else; so blocks can be drawn one by one, and the blocks of a text, in order, are its full
 * parse. The HTML is not safe yet: only `sanitize` may put it on a page.
 */

import { Lexer, type Links, Marked, Parser, type Token, Tokenizer } from 'marked'
import { languageOf } from './fences'
import { FOOTNOTE_START, footnote, footnoteMark } from './footnotes'
import { escapeHtml, TAGS } from './sanitize'
import { MATH_SPANS, MATH_START, mathBlock, mathSpan } from './tex'

export type { Links }

export interface Block {
  raw: string
  html: string
}

/** A `<` that does not begin a tag that may stay: `List<String>` and `<script>` are shown as they were written. */
const UNKNOWN_TAG = new RegExp(`<(?!/?(?:${TAGS.replaceAll(' ', '|')})[\\s/>])`, 'gi')
const KNOWN_BLOCK = new RegExp(`^ {0,3}</?(?:${TAGS.replaceAll(' ', '|')})[\\s/>]`, 'i')

/** A longer paragraph is shown as it is: nobody writes one, and to find what belongs together takes the square of its length. */
const LONGEST = 5000

/** A text that is complete. */
const whole = dialect(false)
/** A text that goes on: mathematics that is still open reaches to its end, as a code fence does anyway. */
const growing = dialect(true)

/** The blocks of a text, without those that draw nothing. Adds the text's definitions to `links`. */
export function blocks(source: string, links: Links, mode: 'whole' | 'growing'): Block[] {
  return [...blockByBlock(source, links, mode)].filter((block) => block !== null)
}

/** The same in small steps, for who wants to do something else in between; `null` is a step without a block. */
export function* blockByBlock(source: string, links: Links, mode: 'whole' | 'growing'): Generator<Block | null> {
  const { defaults } = mode === 'whole' ? whole : growing
  const lexer = new Lexer(defaults)
  lexer.tokens.links = links
  if (TOO_DEEP.test(source)) return yield { raw: source, html: `<pre>${escapeHtml(source)}</pre>` }
  // As `lexer.lex` does it: first all blocks, because definitions may stand behind what names them.
  lexer.blockTokens(source.replace(/\r\n|\r/g, '\n'), lexer.tokens)
  for (const { src, tokens } of lexer.inlineQueue) {
    lexer.state.inRawBlock = false
    if (src.length > LONGEST) tokens.push({ type: 'text', text: src } as Token)
    else lexer.inlineTokens(src, tokens)
    yield null
  }
  for (const token of lexer.tokens) {
    const html = Parser.parse([token], defaults)
    yield html ? { raw: token.raw, html } : null
  }
}

/** Blocks in blocks in blocks, as nobody writes them; the parser would run out of stack. Shown as it is. */
const TOO_DEEP = /^(?:[ \t]*(?:>|[-+*](?=[ \t])|\d{1,9}[.)](?=[ \t]))){50}/m

/**
 * How much of a growing text's complete lines is settled: nothing that follows can change these blocks.
 * `open` says what the last one is, the one that can still change.
 */
export function settled(lines: string): { length: number; open: string } {
  if (TOO_DEEP.test(lines)) return { length: 0, open: 'code' }
  const tokens = new Lexer(growing.defaults).blockTokens(lines, [])
  const last = tokens.findLastIndex((token) => token.type !== 'space')
  const open = tokens[last]?.type ?? 'space'
  // A formula that is never closed is text, and then it belongs to the paragraph in front of it.
  const from = open === 'texBlock' && tokens[last - 1]?.type === 'paragraph' ? last - 1 : last
  return { length: tokens.slice(0, Math.max(from, 0)).reduce((sum, token) => sum + token.raw.length, 0), open }
}

export interface Cut {
  pieces: string[]
  links: Links
}

/** A complete text in pieces of about so many characters, which have, one behind the other, the blocks of the whole; and its definitions. */
export function cut(source: string, length: number): Cut | null {
  if (TOO_DEEP.test(source)) return null
  const lexer = new Lexer(whole.defaults)
  lexer.tokens.links = noLinks()
  const pieces: string[] = []
  let piece = ''
  for (const { type, raw } of lexer.blockTokens(source, lexer.tokens)) {
    piece += raw
    // Where lines are blank, nothing in front of them has to do with what is behind.
    if (type !== 'space' || piece.length < length) continue
    pieces.push(piece)
    piece = ''
  }
  if (piece) pieces.push(piece)
  return { pieces, links: lexer.tokens.links }
}

/** No prototype: a definition may be called `constructor`. */
export function noLinks(): Links {
  return Object.create(null) as Links
}

function dialect(open: boolean): Marked {
  return new Marked({
    gfm: true,
    extensions: [mathBlock(open), mathSpan, footnote, footnoteMark],
    hooks: { emStrongMask: (source) => source.replace(MATH_SPANS, (span) => 'x'.repeat(span.length)) },
    tokenizer: {
      lheading(source) {
        const [heading = ''] = this.rules.block.lheading.exec(source) ?? []
        // What ends a paragraph: no underline behind it makes it a heading.
        return MATH_START.test(heading) || FOOTNOTE_START.test(heading) ? undefined : false
      },
      code(source) {
        // Behind a paragraph an indented line is its text, with the blanks in front of it. (marked ends a paragraph early where a
        // line like `---` could make a table of what is left, and then takes the blanks away; without that line it does not.)
        const { lastToken } = this.lexer.state
        if (lastToken?.type !== 'paragraph' && lastToken?.type !== 'text') return false
        const [raw] = /^(?: {4}| {0,3}\t)[^\n]+/.exec(source) ?? []
        return raw ? { type: 'code', raw, text: raw } : undefined
      },
      // marked looks through all that follows before it sees that the second line divides no columns.
      table: (source) => !/^.*\n.*[:|]/.test(source) && undefined,
      html(source) {
        return KNOWN_BLOCK.test(source) ? false : undefined
      },
      inlineText(source) {
        // A dollar may begin a formula; nothing else of ours begins with a character that does not end text anyway. There may be
        // many, so for each is looked no further than it matters what follows: behind it may be the address of a mail.
        const end = this.rules.inline.text.exec(source.slice(0, source.indexOf('$', 1) + 300))![0].indexOf('$', 1)
        return end > 0 && Tokenizer.prototype.inlineText.call(this, source.slice(0, end))
      },
      tag(source) {
        const [raw] = this.rules.inline.tag.exec(source) ?? []
        // What a tag leaves in the lexer's state would reach into the blocks behind.
        return raw ? { type: 'html', raw, text: raw, inLink: false, inRawBlock: false, block: false } : undefined
      },
    },
    renderer: {
      code({ text, lang }) {
        const info = lang ? ` data-jdc-info="${escapeHtml(lang)}"` : ''
        return `<pre><code data-jdc-lang="${escapeHtml(languageOf(lang))}"${info}>${escapeHtml(text.replace(/\n$/, ''))}</code></pre>\n`
      },
      html({ text }) {
        return text.replace(UNKNOWN_TAG, '&lt;')
      },
      checkbox({ checked }) {
        return `<span data-jdc-task="">${checked ? '\u2611' : '\u2610'}</span> `
      },
    },
  })
}
