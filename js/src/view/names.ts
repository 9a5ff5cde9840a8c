/**
 * What is being named at the caret, and what is named in a text: `@` is for what is in the notebook, anywhere; `/` for agents and
 * prompts, at the beginning. What nobody has chosen is only text.
 */

import type { Mention } from './types'

export interface Token {
  sign: '@' | '/'
  query: string
  /** Where it begins, with its sign, and where it ends. */
  start: number
  end: number
}

export function tokenAt(text: string, caret: number): Token | null {
  const before = text.slice(0, caret)
  const [, mention] = /(?:^|[\s([{"'])@([^\s@]*)$/.exec(before) ?? []
  const [, command] = /^\/([^\s/]*)$/.exec(before) ?? []
  const query = mention ?? command
  if (query === undefined) return null
  const [rest = ''] = /^[^\s@]*/.exec(text.slice(caret)) ?? []
  return { sign: mention === undefined ? '/' : '@', query, start: caret - query.length - 1, end: caret + rest.length }
}

/** Whether the text still says what was chosen: `@df` is not in `@df2`, nor in `me@df`. */
export function isNamed(text: string, { name }: Mention): boolean {
  const word = `@${name}`
  for (let at = text.indexOf(word); at >= 0; at = text.indexOf(word, at + 1)) {
    const [before = ' ', after = ' '] = [text[at - 1], text[at + word.length]]
    if (/[\s([{"']/.test(before) && !/[\p{L}\p{N}_/]/u.test(after)) return true
  }
  return false
}

/** Of a prompt's text, what is to be filled in first: from where to where. */
export function firstBlank(text: string): [number, number] | null {
  const found = /\{[^{}\n]+\}/.exec(text)
  return found && [found.index, found.index + found[0].length]
}

/** Puts a text in place of another one, so that it can be undone, and selects of it `from` … `to`; else the caret is behind it. */
export function put(input: HTMLTextAreaElement, { start, end }: { start: number; end: number }, text: string, blank: [number, number] | null = null): void {
  input.focus()
  input.setSelectionRange(start, end)
  const command = text === '' ? 'delete' : 'insertText'
  if (!document.execCommand?.(command, false, text)) {
    input.setRangeText(text, start, end, 'end')
    input.dispatchEvent(new InputEvent('input', { bubbles: true }))
  }
  if (blank) input.setSelectionRange(start + blank[0], start + blank[1])
}
