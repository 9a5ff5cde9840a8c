/**
 * Characters that nobody sees: those that turn what follows around (Trojan Source), have no width, or spell out what only
 * a machine reads. Code, names and addresses show where they are; in prose those are left alone that its script needs.
 *
 * The same characters as in `jupyter_durable_chat/readable/unseen.py`.
 */

const EMOJI = '\\xa9\\xae\\u203c\\u2049\\u2122\\u2139\\u2190-\\u21ff\\u2300-\\u23ff\\u24c2\\u25a0-\\u27bf\\u2900-\\u297f\\u2b00-\\u2bff\\u3030\\u303d\\u3297\\u3299\\u{1f000}-\\u{1faff}'
/** Letters that join, or are told not to. */
const JOINING = '\\u0600-\\u061b\\u061d-\\u0dff\\u1000-\\u109f\\u1780-\\u17b3\\u17b6-\\u180a\\u1810-\\u18af\\ua840-\\ua8ff\\ufb50-\\ufdff\\ufe70-\\ufefc'
const HAN = '\\u3400-\\u9fff\\uf900-\\ufaff\\u{20000}-\\u{3ffff}'
/** Those of England, Scotland and Wales are spelled out in characters that nobody sees. */
const FLAGS = '\\u{1f3f4}\\u{e0067}\\u{e0062}(?:\\u{e0065}\\u{e006e}\\u{e0067}|\\u{e0073}\\u{e0063}\\u{e0074}|\\u{e0077}\\u{e006c}\\u{e0073})\\u{e007f}'

const TURNING = '\\u061c\\u200e\\u200f\\u202a-\\u202c\\u2066-\\u2069'
const NEVER = '\\u115f\\u1160\\u17b4\\u17b5\\u2028\\u2029\\u202d\\u202e\\u2061-\\u2065\\u206a-\\u206f\\u3164\\uffa0\\ufff9-\\ufffb\\u{1d173}-\\u{1d17a}\\u{e0000}-\\u{e00ff}\\u{e01f0}-\\u{e0fff}'
const SELECTORS = `(?<![${EMOJI}0-9#*])[\\ufe0e\\ufe0f]|[\\ufe00-\\ufe0d]|(?<![${HAN}])[\\u{e0100}-\\u{e01ef}]`

const IN_CODE = [
  `[\\0-\\x08\\x0b\\x0c\\x0e-\\x1f\\x7f-\\x9f\\xad\\u034f\\u200b\\u2060\\ufeff${TURNING}${NEVER}]`,
  SELECTORS,
  `(?<![${JOINING}])[\\u200c\\u180b-\\u180e]`,
  `(?<![${JOINING}${EMOJI}\\ufe0f])\\u200d`,
  `(?<=[${EMOJI}\\ufe0f])\\u200d(?![${EMOJI}])`,
]

const found = (singles: string[]) => new RegExp(`${FLAGS}|(?<unseen>(?:${singles.join('|')})+)`, 'gu')

const CODE = found(IN_CODE)
const PROSE = found([`[${NEVER}${TURNING}]`, SELECTORS])
const RIGHT_TO_LEFT = found([`[${NEVER}]`, SELECTORS])

const LETTERS = /[\u0590-\u061b\u061d-\u08ff\ufb1d-\ufdff\ufe70-\ufefc\u{10800}-\u{10fff}\u{1e800}-\u{1efff}]/u

/** Nothing below is in most texts. */
const ANY = /[^\t\n\r -~\xa0-\xac\xae-\u02ff]/

/** A text as it is read, piece by piece: with its name, what is not to be seen. */
interface Piece {
  text: string
  name: string | null
}

/** `prose`: characters that a script needs are none of these. */
export function pieces(text: string, prose = false): Piece[] {
  if (!ANY.test(text)) return [{ text, name: null }]
  const pattern = !prose ? CODE : LETTERS.test(text) ? RIGHT_TO_LEFT : PROSE
  const all: Piece[] = []
  let end = 0
  for (const { index, groups } of text.matchAll(pattern)) {
    const unseen = groups?.['unseen']
    if (unseen === undefined) continue
    if (index > end) all.push({ text: text.slice(end, index), name: null })
    all.push({ text: unseen, name: nameOf(unseen) })
    end = index + unseen.length
  }
  if (end < text.length) all.push({ text: text.slice(end), name: null })
  return all
}

/** With names in place of what is not to be seen, where nothing can be drawn. */
export function named(text: string, prose = false): string {
  return pieces(text, prose)
    .map(({ text, name }) => (name === null ? text : `[${name}]`))
    .join('')
}

/** `U+202E`; of several in a row, the first and how many follow. */
function nameOf(unseen: string): string {
  const [first = '', ...others] = unseen
  const code = `U+${first.codePointAt(0)?.toString(16).toUpperCase().padStart(4, '0')}`
  return others.length > 0 ? `${code} +${others.length}` : code
}

/** Wraps what is not to be seen, below a node, in an element that shows it. The text stays what it was. */
export function mark(root: Node): void {
  if (!ANY.test(root.textContent ?? '')) return
  const texts = document.createTreeWalker(root, NodeFilter.SHOW_TEXT)
  const waiting: Text[] = []
  while (texts.nextNode()) waiting.push(texts.currentNode as Text)
  for (const node of waiting) {
    const isExact = node.parentElement?.closest('code, pre, kbd, samp, a, .jdc-invisible')
    const all = isExact?.matches('.jdc-invisible') ? [] : pieces(node.data, !isExact)
    if (all.some(({ name }) => name !== null)) node.replaceWith(...all.map(drawn))
  }
}

function drawn({ text, name }: Piece): Node {
  if (name === null) return document.createTextNode(text)
  const element = document.createElement('span')
  element.className = 'jdc-invisible'
  element.dataset['jdcInvisible'] = name
  element.textContent = text
  return element
}

/** The names of what is not to be seen in code. */
export function namesIn(code: string): string {
  return [...new Set(pieces(code).flatMap(({ name }) => (name === null ? [] : [name.replace(/ .*/, '')])))].slice(0, 8).join(', ')
}
