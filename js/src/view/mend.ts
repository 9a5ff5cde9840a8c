/**
 * Half a line as it will most likely read when it is whole, so that a growing text does not flicker: `**bol` is drawn
 * bold, `[name](http` as a name, and a line of which only the marker is there (`-` would make the paragraph above it a
 * heading) is not drawn yet. Words are never left out.
 */

const MARKER = /^[ \t>]*(?:[-+*=_~`#|:$]+|\d{1,9}[.)]|!?\[|\\)[ \t]*$/
const HALF_LINK = /!?\[([^\][]*)\]\([^()\s]*$/
const CODE = /(?<!`)(`+)(?!`)(?:[^]*?[^`])\1(?!`)/g
const MATH = /\$(?![\s$])[^$`]*[^\s$`]\$(?!\d)|\\\([^]*?\\\)/g

/** The end of a text, its last line mended. */
export function mend(tail: string): string {
  const start = tail.lastIndexOf('\n') + 1
  const line = tail.slice(start)
  return tail.slice(0, start) + (MARKER.test(line) ? '' : closeSpans(line.replace(HALF_LINK, '$1')))
}

/** Closes what the line leaves open, the last opened first. */
function closeSpans(line: string): string {
  const masked = line.replace(CODE, mask).replace(MATH, mask)
  const code = /`+/.exec(masked)
  if (!code) return closeEmphasis(line, masked)
  const bare = code.index + code[0].length === line.length
  const before = closeEmphasis(line.slice(0, code.index), masked.slice(0, code.index), true)
  const closers = before.slice(code.index)
  return line.slice(0, code.index) + (bare ? '' : line.slice(code.index) + code[0]) + closers
}

/** `more`: text of the same line follows, so a marker at the end does open something. */
function closeEmphasis(line: string, masked: string, more = false): string {
  const open: string[] = []
  let end = line.length
  for (const { 0: run, index } of masked.matchAll(/\\.|\*{1,3}|_{1,3}|~~/g)) {
    const before = masked[index - 1] ?? ' '
    const after = masked[index + run.length] ?? (more ? 'x' : '')
    if (run.startsWith('\\')) continue
    if (open.at(-1) === run && /\S/.test(before)) open.pop()
    else if (after === '') end = index
    else if (/\S/.test(after) && !(run.startsWith('_') && /\w/.test(before))) open.push(run)
  }
  return line.slice(0, end) + open.reverse().join('')
}

function mask(span: string): string {
  return 'x'.repeat(span.length)
}
