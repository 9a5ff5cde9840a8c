/**
 * TeX in Markdown, as syntax: where a formula begins and ends. What is made of it is `math.ts`'s business.
 */

import type { TokenizerAndRendererExtension, Tokens } from 'marked'
import { escapeHtml } from './sanitize'

/** Where a paragraph that starts the source is interrupted by this pattern. Looks no further than the paragraph goes. */
export function inParagraph(source: string, pattern: RegExp): number | undefined {
  const end = /\n[ \t]*\n/.exec(source)?.index ?? source.length
  return pattern.exec(source.slice(0, end))?.index
}

export const MATH_START = /\n {0,3}(?:\$\$|\\\[)/

interface Tex extends Tokens.Generic {
  tex: string
  display: boolean
}

function tex(raw: string, source: string, display: boolean): Tex {
  return { type: 'tex', raw, tex: source.trim(), display }
}

/** A formula whose `tex` is empty is still open: only its source can be shown. */
function texHtml({ raw, tex, display }: Tex): string {
  return `<span data-jdc-tex="${escapeHtml(tex)}"${display ? ' data-jdc-display=""' : ''}>${escapeHtml(raw.trim())}</span>`
}

/** `$$…$$` and `\[…\]` at the start of a line. As in TeX, no blank line inside. */
export function mathBlock(open: boolean): TokenizerAndRendererExtension {
  const upTo = (end: string) => `((?:(?!\\n[ \\t]*\\n|${end})[^])+)`
  const closed = new RegExp(`^ {0,3}(?:\\$\\$${upTo('\\$\\$')}\\$\\$|\\\\\\[${upTo('\\\\\\]')}\\\\\\])[ \\t]*(?:\\n+|$)`)
  const unclosed = new RegExp(`^ {0,3}(?:\\$\\$${upTo('\\$\\$')}|\\\\\\[${upTo('\\\\\\]')})$`)
  return {
    name: 'texBlock',
    level: 'block',
    start: (source) => inParagraph(source, MATH_START),
    tokenizer(source) {
      const found = closed.exec(source)
      if (found) return { ...tex(found[0], found[1] ?? found[2] ?? '', true), type: 'texBlock' }
      const started = open && unclosed.exec(source)
      return started ? { type: 'texBlock', raw: started[0], tex: '', display: true } : undefined
    },
    renderer: (token) => `<p>${texHtml(token as Tex)}</p>\n`,
  }
}

const DISPLAY = /\$\$([^$]+)\$\$|\\\[([^]{1,4000}?)\\\]/
const INLINE = /\$((?![\s$])(?:\\[^]|[^$`\\])*?(?:\\[^]|[^\s$`\\]))\$(?![\d$])|\\\(([^]{1,1000}?)\\\)/
/** For those who look for emphasis: what is not to be looked into. */
export const MATH_SPANS = new RegExp(`${DISPLAY.source}|${INLINE.source}`, 'g')
const DISPLAY_HERE = new RegExp(`^(?:${DISPLAY.source})`)
const INLINE_HERE = new RegExp(`^(?:${INLINE.source})`)

/**
 * `$…$`, `$$…$$`, `\(…\)`, `\[…\]` in a line. A dollar opens before a non-blank and closes behind one and before no
 * digit, so that prices stay prices.
 */
export const mathSpan: TokenizerAndRendererExtension = {
  name: 'tex',
  level: 'inline',
  tokenizer(source) {
    const display = DISPLAY_HERE.exec(source)
    if (display) return tex(display[0], display[1] ?? display[2] ?? '', true)
    const inline = INLINE_HERE.exec(source)
    return inline ? tex(inline[0], inline[1] ?? inline[2] ?? '', false) : undefined
  },
  renderer: (token) => texHtml(token as Tex),
}

