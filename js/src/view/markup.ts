/**
 * Markdown of somebody else, as it may be shown by a viewer that believes it: nothing is fetched, nothing is markup.
 *
 * A picture becomes a link, a tag becomes text, what is not to be seen is named, and an open fence is closed. Code stays as
 * it is where it is certain that every viewer takes it for code; where viewers could differ, it is treated like prose.
 *
 * The same strings as `jupyter_durable_chat/readable/markup.py`; `tests/vectors/static/static.json` holds both to them.
 */

import { named } from './unseen'

const FENCE = /^ {0,3}(`{3,}|~{3,})([^\n]*)$/
const INNER_FENCE = /^[ \t]*(?:(?:[-+*>]|\d{1,9}[.)])[ \t]*)*(?:`{3,}|~{3,})/
const TICKS = /\\.|`+/gu
const TAG = /(?<!\\)(\\*)<(?=[A-Za-z/!?])(?!(?:https?:\/\/|mailto:)[^\s<>`]*>)/g
const BARE = /<\/?[A-Za-z][A-Za-z0-9-]*\/?>/y
const ACTIVE =
  /<\/?(?:base|embed|frameset|iframe|link|math|meta|noembed|noframes|noscript|object|plaintext|script|select|style|svg|template|textarea|title|xmp)\b/iy
/** Addresses and formulas may have what else begins code. */
const TAKES_TICKS = /:\/\/|www\.|mailto:|\$/
const BEGINNING = /^[ \t]*(?:(?:[-+*>]|\d{1,9}[.)])[ \t]*)*/
const IMAGE = /(?<!\\)(\\*)(?<!!)(!+)\[/g

type Kind = 'code' | 'prose' | 'unclear'
type Row = [kind: Kind, row: string, fence: string]

/** Markdown that fetches nothing, with its fences closed. */
export function harmless(text: string): string {
  const rows = [...rowsOf(text)]
  const shown = grouped(rows, ([kind]) => kind).flatMap((group) => {
    const texts = group.map(([, row]) => row)
    switch (group[0]?.[0]) {
      case 'code':
        return texts.map((row) => named(row))
      case 'prose':
        return prose(texts)
      default:
        return texts.map((row) => disarmed(named(row), true))
    }
  })
  const fence = rows.at(-1)?.[2]
  return [...shown, ...(fence ? [fence] : [])].join('\n')
}

/** Text, not to be read as Markdown by anybody, in which what is not to be seen is named. */
export function legible(text: string): string {
  return [...rowsOf(text)].map(([kind, row]) => named(row, kind === 'prose')).join('\n')
}

/**
 * Each row with the fence that is open behind it, and as what every viewer takes it.
 *
 * A fence inside of something (`inner`), which only some find there, is over where a row begins at the edge: at once for
 * another fence, and for anything else after a blank row. Of a fence that is indented itself nobody knows where it ends
 * once something in it is indented less.
 */
function* rowsOf(text: string): Generator<Row> {
  let fence = ''
  let indent = 0
  let [clear, inner, afterBlank] = [true, false, false]
  for (const row of text.split('\n')) {
    const [found, marks = '', info = ''] = FENCE.exec(row) ?? []
    const isInner = found === undefined && INNER_FENCE.test(row)
    if (fence) {
      if (indent && /[^ \t]/.test(row) && (indentOf(row) < indent || isInner)) clear = false
      if (marks[0] === fence[0] && marks.length >= fence.length && !/[^ \t]/.test(info)) fence = ''
      yield [clear ? 'code' : 'unclear', row, fence]
    } else {
      const opens = marks !== '' && !(marks[0] === '`' && info.includes('`'))
      if (inner && /^[^ \t]/.test(row) && (opens || (afterBlank && !isInner))) [clear, inner] = [true, false]
      else if (opens) inner = false
      else if (isInner) [clear, inner] = [false, inner || clear]
      if (opens) [fence, indent] = [marks, indentOf(row)]
      yield [clear ? (opens ? 'code' : 'prose') : 'unclear', row, fence]
    }
    afterBlank = !/[^ \t]/.test(row)
  }
}

function indentOf(row: string): number {
  return /^ */.exec(row)?.[0].length ?? 0
}

/** Rows outside of fences, by paragraphs: code spans count where no viewer could pair their marks otherwise. */
function prose(rows: string[]): string[] {
  return grouped(rows, (row) => !/[^ \t]/.test(row)).flatMap((paragraph) => {
    if (!/[^ \t]/.test(paragraph[0] ?? '')) return paragraph
    const spans = paragraph.map(spansOf)
    const isClear = spans.every((found) => found !== null)
    return paragraph.map((row, index) => (isClear ? written(row, spans[index] ?? []) : disarmed(named(row), true)))
  })
}

type Span = [start: number, end: number]

function written(row: string, spans: Span[]): string {
  let shown = ''
  let end = 0
  for (const [start, stop] of spans) {
    shown += disarmed(named(row.slice(end, start), true), end === 0) + named(row.slice(start, stop))
    end = stop
  }
  return shown + disarmed(named(row.slice(end), true), end === 0)
}

/** Where the code spans of a row are; nothing if a viewer could see others. */
function spansOf(row: string): Span[] | null {
  const runs = [...row.matchAll(TICKS)].filter(([run]) => run[0] === '`')
  if (runs.length > 0 && TAKES_TICKS.test(row)) return null
  const spans: Span[] = []
  for (let place = 0; place < runs.length; place++) {
    const [marks] = runs[place]!
    const { index: start } = runs[place]!
    do place++
    while (place < runs.length && runs[place]![0] !== marks)
    const closing = runs[place]
    if (!closing || /\||\\`/.test(row.slice(start + marks.length, closing.index))) return null
    spans.push([start, closing.index + marks.length])
  }
  return spans
}

/** Prose without tags that could do something, or begin a block, and without pictures. */
function disarmed(text: string, begins: boolean): string {
  const beginning = begins ? (BEGINNING.exec(text)?.[0].length ?? 0) : -1
  const at = (pattern: RegExp, index: number) => {
    pattern.lastIndex = index
    return pattern.test(text)
  }
  const shown = text.replace(TAG, (found, slashes: string, index: number) => {
    const start = index + slashes.length
    const isBare = at(BARE, start) && !at(ACTIVE, start)
    // An address in front would take a backslash for its own.
    return isBare && index !== beginning ? found : `${even(slashes)}&lt;`
  })
  const last = Math.max(shown.lastIndexOf(']('), shown.lastIndexOf(']['))
  return shown.replace(IMAGE, (found, slashes: string, marks: string, index: number) => {
    const isWhole = slashes === even(slashes) && index + found.length < last
    return isWhole ? `${slashes}[` : `${even(slashes)}${marks}\\[`
  })
}

/** Without the one that escapes what follows. */
function even(slashes: string): string {
  return slashes.slice(slashes.length % 2)
}

/** Neighbours that have this in common. */
function grouped<T>(all: readonly T[], of: (one: T) => unknown): T[][] {
  const groups: T[][] = []
  all.forEach((one, index) => {
    if (index > 0 && of(all[index - 1] as T) === of(one)) groups.at(-1)?.push(one)
    else groups.push([one])
  })
  return groups
}
