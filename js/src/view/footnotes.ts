/**
 * Footnotes: `[^name]` and `[^name]: …`. A note stays where it was written, so no block waits for another.
 */

import type { Token, TokenizerAndRendererExtension } from 'marked'
import { escapeHtml } from './sanitize'
import { inParagraph } from './tex'

export const FOOTNOTE_START = /\n {0,3}\[\^[^\]\s]+\]:/
const FOOTNOTE = /^ {0,3}\[\^([^\]\s]+)\]:[ \t]*([^\n]*(?:\n(?!\n| {0,3}\[\^[^\]\s]+\]:)[^\n]+)*)(?:\n+|$)/

/** `[^name]: …` stays where it is written. It defines `^name`, as a link reference would. */
export const footnote: TokenizerAndRendererExtension = {
  name: 'footnote',
  level: 'block',
  start: (source) => inParagraph(source, FOOTNOTE_START),
  tokenizer(source) {
    const [raw, name, body] = FOOTNOTE.exec(source) ?? []
    if (raw === undefined || name === undefined || body === undefined) return undefined
    this.lexer.tokens.links[`^${name.toLowerCase()}`] ??= { href: '', title: null }
    const tokens: Token[] = []
    this.lexer.inline(body, tokens)
    return { type: 'footnote', raw, name, tokens }
  },
  renderer(token) {
    return `<p><sup>${escapeHtml(String(token.name))}</sup> ${this.parser.parseInline(token.tokens ?? [])}</p>\n`
  },
}

/** `[^name]`, where the text defines it anywhere; without that it is text. */
export const footnoteMark: TokenizerAndRendererExtension = {
  name: 'footnoteMark',
  level: 'inline',
  tokenizer(source) {
    const [raw, name] = /^\[\^([^\]\s]+)\]/.exec(source) ?? []
    if (raw === undefined || name === undefined || !this.lexer.tokens.links[`^${name.toLowerCase()}`]) return undefined
    return { type: 'footnoteMark', raw, name }
  },
  renderer: (token) => `<sup>${escapeHtml(String(token.name))}</sup>`,
}
