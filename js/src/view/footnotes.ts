/**
 * Footnotes: `[^name]` and `[^name]: …`. A note stays where it was written, so no block waits for another; the way from a
 * mark to its note and back is `reading/notes.ts`.
 */

import type { Token, TokenizerAndRendererExtension, Tokens } from 'marked'
import { escapeHtml } from './sanitize'
import { inParagraph } from './tex'

export const FOOTNOTE_START = /\n {0,3}\[\^[^\]\s]+\]:/
/** Its paragraph, and what is indented behind it. */
const FOOTNOTE = /^ {0,3}\[\^([^\]\s]+)\]:[ \t]*([^\n]*(?:\n(?!\n| {0,3}\[\^[^\]\s]+\]:)[^\n]+)*(?:\n(?:[ \t]*\n)*(?: {4}|\t)[^\n]*\S[^\n]*)*)(?:\n+|$)/

/** `[^name]: …` stays where it is written. It defines `^name`, as a link reference would. */
export const footnote: TokenizerAndRendererExtension = {
  name: 'footnote',
  level: 'block',
  start: (source) => inParagraph(source, FOOTNOTE_START),
  tokenizer(source) {
    const [raw, name, body] = FOOTNOTE.exec(source) ?? []
    if (!raw || !name || body === undefined) return undefined
    this.lexer.tokens.links[`^${name.toLowerCase()}`] ??= { href: '', title: null }
    const [, first = '', rest = ''] = /^([^\n]*(?:\n(?![ \t]*\n)[^\n]+)*)([^]*)$/.exec(body) ?? []
    const tokens: Token[] = []
    this.lexer.inline(first, tokens)
    const more = this.lexer.blockTokens(rest.replace(/^(?: {4}|\t)/gm, ''), [])
    return { type: 'footnote', raw, name, tokens, more }
  },
  renderer(token) {
    const { name, tokens = [], more } = token as Tokens.Generic
    const label = escapeHtml(String(name))
    const first = `<p><sup>${label}</sup> ${this.parser.parseInline(tokens)}</p>\n`
    return `<div data-jdc-note="${label.toLowerCase()}">${first}${this.parser.parse(more as Token[])}</div>\n`
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
  renderer(token) {
    const label = escapeHtml(String(token.name))
    return `<sup data-jdc-mark="${label.toLowerCase()}">${label}</sup>`
  },
}
