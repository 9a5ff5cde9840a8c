/** One table of texts for each language, and no text of the view outside of it. */

import { globSync, readFileSync } from 'node:fs'

import { type ESTree, parseSync, Visitor } from 'vite'
import { afterEach, describe, expect, test } from 'vitest'

import { locale, speak, withWords, words } from '../src/words'
import { de } from '../src/words/de'
import { en } from '../src/words/en'
import { tables } from '../src/words/lab'
import { late } from '../src/words/late'
import { bytes, clock, dollars, duration, number, percent } from '../src/words/numbers'

/**
 * The table; what is saved, which is English for all, as is what is said below it where the table cannot be loaded; and
 * markup and settings of Mermaid, which are not read.
 */
const OTHER = /words\/|view\/(?:static|html|sanitize|markdown|tex|formulas|reading\/frame)\.ts$|lab\/icon\.ts$|mermaid\/|src\/plugin\.ts$/

const FILES = globSync('src/**/*.{ts,tsx}').filter((file) => !OTHER.test(file))

/** What is compared with, is a reason or a name between programs, or code, or tells an administrator of the plugin. */
const UNSAID = [
  'A panel of all chats, what can be done with them, and the settings.',
  'Alt+ArrowUp Alt+ArrowDown',
  'Its end was not reported.',
  'Lets chats put code into the notebook around them, and name what is in it.',
  'The call around this one is over.',
  'The kernel has no answer.',
  'The kernel has said nothing.',
  'The kernel is not there.',
  'The widget has gone.',
  'There is no',
  'Traceback (most recent call last)',
  'from jupyter_durable_chat import Chat\nChat(session=',
  'nothing was heard for too long',
  'other sessions are followed',
]

/** Attributes and properties whose value a person sees or hears. */
const SHOWN = /^(?:aria-?(?:label|description|placeholder|roledescription|valuetext)|title|placeholder|alt|label|textContent|innerText)$/i

/** Words with a space between them, of which none is a class. */
const PHRASE = /^(?!.*jdc-).*\p{L}{2,} \p{L}{2,}/su

/** The texts of a module that a person would read, and that are not in the table. */
function literals(code: string, name = 'x.tsx'): string[] {
  const found = new Set<string>()
  const show = (text: string) => /\p{L}/u.test(text) && found.add(text.trim())
  const phrase = (text: string) => PHRASE.test(text) && !UNSAID.includes(text.trim()) && found.add(text.trim())
  /** What an expression may come to, as far as it is written there. */
  const shown = (node: ESTree.Node | null | undefined): void => {
    if (node?.type === 'Literal' && typeof node.value === 'string') show(node.value)
    else if (node?.type === 'TemplateLiteral') node.quasis.forEach(({ value }) => show(value.cooked ?? ''))
    else if (node?.type === 'JSXExpressionContainer') shown(node.expression)
    else if (node?.type === 'ConditionalExpression') [node.consequent, node.alternate].forEach(shown)
    else if (node?.type === 'LogicalExpression') [node.left, node.right].forEach(shown)
    else if (node?.type === 'BinaryExpression' && node.operator === '+') [node.left, node.right].forEach(shown)
  }
  new Visitor({
    Literal: ({ value }) => void (typeof value === 'string' && phrase(value)),
    TemplateElement: ({ value }) => void phrase(value.cooked ?? ''),
    JSXText: ({ value }) => void show(value),
    JSXElement: ({ children }) => children.forEach(shown),
    JSXFragment: ({ children }) => children.forEach(shown),
    JSXAttribute: ({ name, value }) => void (SHOWN.test(String(name.name)) && shown(value)),
    AssignmentExpression({ left, right }) {
      if (left.type === 'MemberExpression' && left.property.type === 'Identifier' && SHOWN.test(left.property.name)) shown(right)
    },
  }).visit(parseSync(name, code).program)
  return [...found]
}

test.each(FILES)('%s says nothing that is not in the table', (file) => {
  expect(literals(readFileSync(file, 'utf8'), file)).toEqual([])
})

test.each([
  ['<b>Stop</b>', 'Stop'],
  ['<b>{on && "Stop"}</b>', 'Stop'],
  ['<b title={on ? words.on : "Stop"} />', 'Stop'],
  ['<b aria-label={`Stop ${it}`} />', 'Stop'],
  ['node.title = "Stop"', 'Stop'],
  ['const TEXT = "Stop the answer"', 'Stop the answer'],
  ['say(`${n} answers are there`)', 'answers are there'],
])('a text is found in %s', (code, text) => {
  expect(literals(code)).toEqual([text])
})

test.each(['<b class="on">{words.stop}</b>', '<b title={kind === "stop" ? words.stop : ""} />', 'find(".jdc-a, .jdc-b input")'])(
  'none is found in %s',
  (code) => {
    expect(literals(code)).toEqual([])
  },
)

/** Every text of a table by its path; of a function, what it says of a few things. */
function texts(table: object, path = ''): [string, string][] {
  return Object.entries(table).flatMap(([name, value]: [string, unknown]): [string, string][] => {
    if (typeof value === 'string') return [[path + name, value]]
    if (typeof value === 'function') return said(value as (...given: unknown[]) => string).map((text) => [path + name, text])
    return texts(value as object, `${path}${name}.`)
  })
}

/** A count comes first. */
function said(text: (...given: unknown[]) => string): string[] {
  return [
    [1, '1', 'because.'],
    [2, '2', 'because.'],
    ['', '2', 'because.'],
  ].map((given) => text(...given))
}

const english = { ...en, ...late }

describe.each([
  ['de', de, english],
  ['de, in menus and dialogs', tables.de, tables.en],
])('in %s', (_, table, english) => {
  test('there is what there is in English', () => {
    expect(texts(table).map(([path]) => path).sort()).toEqual(texts(english).map(([path]) => path).sort())
  })

  test('no text is empty, and each says all that it is given', () => {
    for (const [path, text] of texts(table)) expect(text.trim(), path).not.toBe('')
    const given = (table: object) => texts(table).map(([path, text]) => [path, ...[...text.matchAll(/\d|because\./g)].flat().sort()].join(' '))
    expect(given(table).sort()).toEqual(given(english).sort())
  })

  test('no text of several words is the same as in English', () => {
    const said = new Map(texts(english))
    const same = texts(table).filter(([path, text]) => said.get(path) === text && / \p{L}+ /u.test(text))
    expect(same).toEqual([])
  })
})

describe('what is spoken', () => {
  afterEach(() => speak('en'))

  test.each(['de', 'de-DE', 'de_DE', 'DE-at'])('%s is German', async (tag) => {
    await speak(tag)
    expect(words.stop).toBe('Anhalten')
    expect(locale).toMatch(/^de/)
  })

  test.each(['', 'en-US', 'fr_FR', 'constructor', 'x'])('%j is English', async (tag) => {
    await speak(tag)
    expect(words.stop).toBe('Stop')
    expect(locale).toMatch(/^en/)
  })

  test('English that comes with a chunk is fetched for nobody who reads another language', async () => {
    const rest = Object.keys(late)
    const known = () => rest.filter((name) => name in en).length
    for (const name of rest) Reflect.deleteProperty(en, name)
    await speak('de')
    expect(await withWords(Promise.resolve('chunk'))).toBe('chunk')
    expect(known()).toBe(0)
    await speak('en')
    expect(await withWords(Promise.resolve('chunk'))).toBe('chunk')
    expect(known()).toBe(rest.length)
  })

  test('numbers and times go with the words', async () => {
    await speak('de')
    const written = [number(1234.5), percent(0.57), duration(3210), duration(3210, true), duration(1_234_000), bytes(2300), bytes(2_300_000), dollars(0), dollars(0.00001), dollars(1.5)]
    expect(written.join('; ').replaceAll('\u00a0', ' ')).toBe('1.234,5; 57 %; 3,2 s; 3 s; 20 Min. 34 s; 2,3 kB; 2,3 MB; 0 $; < 0,0001 $; 1,50 $')
    expect(clock('2026-11-20T12:05:00', new Date('2026-11-20T10:00:00'))).toBe('12:05')
    expect(clock('2026-11-21T12:05:00', new Date('2026-11-20T10:00:00'))).toBe('21.11.2026, 12:05')
  })
})
