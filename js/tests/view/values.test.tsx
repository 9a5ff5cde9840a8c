// @vitest-environment jsdom
/** Data as a person reads it: tables, trees, and errors; read with the keyboard, copied, and none of it markup. */

import { act } from 'preact/test-utils'
import { beforeEach, describe, expect, test, vi } from 'vitest'
import type { Part, ToolPart } from '../../src/transcript'
import { csv, recordsOf } from '../../src/view/records'
import { tableOf } from '../../src/view/tables'
import { all, click, draw, find, open, press } from './drawn'
import { answer, question, transcript } from './transcripts'

const EVIL = '<img src=x onerror=alert(1)>'

function call(more: Partial<ToolPart> = {}): ToolPart {
  return { type: 'dynamic-tool', toolName: 'look', toolCallId: 'c1', state: 'output-available', ...more }
}

const after = (...parts: Part[]) => transcript([question('Why?'), answer(parts)])

/** A call that gave this, opened. */
async function gave(output: unknown, more: Partial<ToolPart> = {}): Promise<void> {
  await draw({ transcript: after(call({ output, ...more })) })
  await open('.jdc-tool details')
}

/** What a screen reader says of something in there. */
const said = (inside: string, text: string) =>
  vi.waitFor(() => expect(all(`${inside} [role="status"]`).map(({ textContent }) => textContent)).toContain(text))

const copied: string[] = []
beforeEach(() => {
  copied.length = 0
  const clipboard = { writeText: async (text: string) => void copied.push(text) }
  Object.defineProperty(navigator, 'clipboard', { value: clipboard, configurable: true })
})

describe('a table', () => {
  const frame = (more: object = {}) => ({
    content: [{ type: 'text', text: 'DataFrame as CSV' }],
    structured: { rows: 3, columns: ['name', 'n', 'share'], index: [''], cells: [[0, 'a', 1, 0.5], [1, EVIL, 20, null], [2, null, 3, 0.25]], ...more },
  })
  const heads = () => all('.jdc-grid thead tr > *').map(({ textContent }) => textContent)
  const rows = () => all('.jdc-grid tbody tr').map((row) => [...row.children].map(({ textContent }) => textContent))
  const counted = () => find('.jdc-grid .jdc-data-head')?.textContent

  test('of a kernel: its names, its rows, its numbers under each other', async () => {
    await gave(frame())
    expect(heads()).toEqual(['', 'name', 'n', 'share'])
    expect(rows()).toEqual([
      ['0', 'a', '1', '0.50'],
      ['1', EVIL, '20', 'missing'],
      ['2', 'missing', '3', '0.25'],
    ])
    expect(counted()).toBe('Result3 rows × 3 columns')
    expect(all('.jdc-grid thead .jdc-numeric').map(({ textContent }) => textContent)).toEqual(['', 'n', 'share'])
    expect(all('.jdc-grid tbody th').map((cell) => [cell.getAttribute('scope'), cell.textContent])).toEqual([['row', '0'], ['row', '1'], ['row', '2']])
    expect(all('.jdc-grid img')).toEqual([])
  })

  test('scrolls by itself, also for who has no mouse', async () => {
    await gave(frame())
    const box = find('.jdc-grid .jdc-table')
    expect([box?.tabIndex, box?.getAttribute('role'), box?.getAttribute('aria-label')]).toEqual([0, 'group', 'Result: 3 rows × 3 columns'])
  })

  test('what the model reads of it is folded', async () => {
    await gave(frame())
    expect(find('.jdc-folded pre')).toBeNull()
    await open('details.jdc-json')
    expect(find('.jdc-folded .jdc-folded pre')?.textContent).toBe('DataFrame as CSV')
  })

  test('beside other texts: which of them it is, is said', async () => {
    const content = ['printed', 'DataFrame', 'more'].map((text) => ({ type: 'text', text }))
    await gave({ content, structured: { ...frame().structured, text: 1 } })
    expect(find('.jdc-folded > .jdc-json > pre')?.textContent).toBe('printed\n\nmore')
    await open('details.jdc-json')
    expect(find('.jdc-folded .jdc-folded pre')?.textContent).toBe('DataFrame')
  })

  test('says how much of it is there', async () => {
    await gave(frame({ rows: 10_000, more_columns: 40 }))
    expect(counted()).toBe(`Result${(10_000).toLocaleString('en')} rows × 43 columns · here are the first 3 rows, the first 3 columns`)
  })

  test('draws a part of many rows, and more on demand', async () => {
    const cells = Array.from({ length: 800 }, (_, n) => [n])
    await gave({ content: [], structured: { rows: 800, columns: ['n'], index: [], cells } })
    expect(rows().length).toBe(50)
    await click('.jdc-more-rows')
    expect(rows().length).toBe(500)
    expect(find('.jdc-more-rows')).toBeNull()
    await click('.jdc-copy-csv')
    expect(copied[0]?.split('\r\n').length).toBe(802)
  })

  test('of records that have the same fields', async () => {
    await gave([{ name: 'x', type: 'int' }, { name: 'y', type: 'str', size: 3 }])
    expect(heads()).toEqual(['name', 'type', 'size'])
    expect(rows()).toEqual([['x', 'int', 'missing'], ['y', 'str', '3']])
    expect(find('details.jdc-json')).toBeNull()
  })

  test.each<[string, unknown]>([
    ['one record', [{ a: 1 }]],
    ['records that are not flat', [{ a: 1 }, { a: { b: 1 } }]],
    ['records that have little in common', [{ a: 1 }, { b: 1 }, { c: 1 }]],
    ['records with long texts', [{ a: 'x'.repeat(501) }, { a: '' }]],
    ['records without a field', [{}, {}]],
    ['numbers', [1, 2]],
  ])('is not made of %s', (_, value) => {
    expect(recordsOf(value)).toBeNull()
  })

  test.each<[string, object]>([
    ['rows of another width', { cells: [[0]] }],
    ['cells that are none', { cells: [[0, {}, 1, 1]] }],
    ['no columns', { columns: [], index: [], cells: [] }],
    ['names that are none', { columns: [1, 2, 3] }],
    ['a count that is none', { rows: -1 }],
    ['more columns than can be', { more_columns: 0.5 }],
    ['no rows at all', { cells: undefined }],
  ])('that has %s is none, and the text is there', async (_, more) => {
    const output = frame(more)
    expect(tableOf(output.structured)).toBeNull()
    await gave(output)
    expect(find('.jdc-grid')).toBeNull()
    expect(find('.jdc-folded pre')?.textContent).toBe('DataFrame as CSV')
  })

  test('is copied as CSV', async () => {
    await gave(frame({ columns: ['na,me', 'n', 'share'], cells: [[0, 'a "b"', 1, 0.125], [1, 'c\nd', null, 1]] }))
    await click('.jdc-copy-csv')
    expect(copied).toEqual([',"na,me",n,share\r\n0,"a ""b""",1,0.125\r\n1,"c\nd",,1\r\n'])
    await said('.jdc-grid', 'Copied')
  })

  test.each<[unknown[], string[]]>([
    [[1, 2.5], ['1.0', '2.5']],
    [[0.1 + 0.2, 1], ['0.300000', '1.000000']],
    [[1e-9, 1e20], ['1e-9', '100000000000000000000']],
    [[1, '1152921504606846976', null], ['1', '1152921504606846976', 'missing']],
    [['01', '02'], ['01', '02']],
    [[true, false], ['true', 'false']],
    [[0.5, 'inf'], ['0.5', 'inf']],
  ])('writes %j', async (values, written) => {
    await gave({ content: [], structured: { rows: values.length, columns: ['x'], index: [], cells: values.map((value) => [value]) } })
    expect(rows().flat()).toEqual(written)
  })

  test('of an attached variable', async () => {
    const { structured } = frame()
    await draw({ transcript: transcript([question('Look', 't_1', [{ type: 'data-variable', data: { label: 'df', text: 'CSV', table: structured } }])]) })
    await open('.jdc-snippet')
    expect(heads()).toEqual(['', 'name', 'n', 'share'])
    expect(counted()).toBe('df3 rows × 3 columns')
  })

  test('as CSV is text that any program reads', () => {
    const table = { size: { rows: 1, columns: 1 }, index: [], columns: ['a\rb'], rows: [['x']] }
    expect(csv(table)).toBe('"a\rb"\r\nx\r\n')
  })
})

describe('a tree', () => {
  const tree = () => find('.jdc-tree') as HTMLElement
  const lines = () => all('.jdc-node').map(({ textContent }) => textContent)
  const node = (text: string) => all('.jdc-node').find(({ textContent }) => textContent?.startsWith(text)) as HTMLElement
  const focused = () => document.activeElement?.textContent
  const key = (key: string, more: KeyboardEventInit = {}) => press(key, more, document.activeElement as Element)
  const stops = () => all('.jdc-node[tabindex="0"]').map(({ textContent }) => textContent)
  const focus = (text: string) => act(() => node(text).focus())
  const nested = { one: 1, deep: { a: [1, 2], b: { c: { d: null } } }, text: EVIL }

  test('is open where it is short, and no deeper', async () => {
    await gave(nested)
    expect(lines()).toEqual(['one: 1', 'deep: 2 fields', 'a: 2 items1, 2', 'b: 1 fieldc: …', `text: “${EVIL}”`])
    expect(tree().getAttribute('role')).toBe('tree')
    expect(tree().getAttribute('aria-label')).toBe('Result')
    expect(all('.jdc-tree img')).toEqual([])
    const about = (text: string) => ['level', 'posinset', 'setsize', 'expanded'].map((name) => node(text).getAttribute(`aria-${name}`))
    expect([about('deep'), about('b'), about('text')]).toEqual([
      ['1', '2', '3', 'true'],
      ['2', '2', '2', 'false'],
      ['1', '3', '3', null],
    ])
  })

  test('is worked with the keyboard: one stop, arrows inside', async () => {
    await gave(nested)
    expect(stops()).toEqual(['one: 1'])
    await focus('one')
    await key('ArrowDown')
    expect(focused()).toBe('deep: 2 fields')
    await key('ArrowRight')
    await key('ArrowDown')
    expect(focused()).toBe('b: 1 fieldc: …')
    await key('ArrowRight')
    expect(lines()).toContain('c: 1 fieldd: null')
    expect(focused()).toBe('b: 1 field')
    await key('ArrowRight')
    await key('Enter')
    await key('ArrowRight')
    expect(focused()).toBe('d: null')
    await key('ArrowLeft')
    await key('ArrowLeft')
    await key('ArrowLeft')
    expect(focused()).toBe('b: 1 field')
    await key('End')
    expect(focused()).toBe(`text: “${EVIL}”`)
    await key('ArrowDown')
    expect(focused()).toBe(`text: “${EVIL}”`)
    await key('Home')
    await key('t')
    expect([focused(), stops().length]).toEqual([`text: “${EVIL}”`, 1])
    const up = await key('ArrowUp')
    expect([up.defaultPrevented, focused()]).toEqual([true, 'c: 1 fieldd: null'])
  })

  test('keys that are not its own are left alone', async () => {
    await gave(nested)
    await focus('one')
    for (const [name, more] of [['Tab', {}], ['ArrowDown', { altKey: true }], ['a', { ctrlKey: true }], ['Escape', {}]] as const) {
      expect((await key(name, more)).defaultPrevented).toBe(false)
    }
    expect(focused()).toBe('one: 1')
  })

  test('a press opens and closes', async () => {
    await gave(nested)
    await act(() => node('deep').click())
    expect(lines()).toEqual(['one: 1', 'deep: 2 fieldsa: …, b: …', `text: “${EVIL}”`])
    expect(stops()).toEqual(['deep: 2 fieldsa: …, b: …'])
    await act(() => node('deep').click())
    expect(lines().length).toBe(5)
  })

  test('many entries and long texts come piece by piece', async () => {
    await gave({ list: Array.from({ length: 130 }, (_, n) => n), '': 'x'.repeat(1000) })
    expect(lines()).toEqual(['list: 130 items0, 1, 2, 3, 4, 5', `: “${'x'.repeat(300)}…”… 700 more characters`])
    await focus('list')
    await key('ArrowRight')
    expect(lines().length).toBe(53)
    await focus('Show')
    expect(focused()).toBe('Show 50 more of 130')
    await key('Enter')
    expect(focused()).toBe('50: 50')
    await act(() => node('Show 30 more of 130').click())
    expect([focused(), lines().length]).toEqual(['100: 100', 132])
    await key('End')
    await key(' ')
    expect(focused()).toBe(`: “${'x'.repeat(1000)}”`)
  })

  test('a value is copied, and all of it', async () => {
    await gave(nested)
    await focus('deep')
    await key('c', { ctrlKey: true })
    expect(copied).toEqual([JSON.stringify(nested.deep, null, 2)])
    await said('.jdc-data >', 'Copied')
    await act(() => node('text').querySelector('button')?.click())
    await click('.jdc-copy-json')
    expect(copied.slice(1)).toEqual([EVIL, JSON.stringify(nested, null, 2)])
    expect(lines().length).toBe(5)
  })

  test.each<[string, unknown, boolean]>([
    ['JSON', ' {"a": [1]}', true],
    ['nearly JSON', '{"a": 1', false],
    ['with a number that JavaScript does not have', '{"a": 12345678901234567890}', false],
    ['only a number', '12', false],
  ])('a text that is %s', async (_, output, isTree) => {
    await gave(output)
    expect(find('.jdc-tree') !== null).toBe(isTree)
    if (!isTree) expect(find('.jdc-folded pre')?.textContent).toBe(output)
  })

  test('what is nothing is said', async () => {
    await gave({})
    expect(find('.jdc-folded pre')?.textContent).toBe('{}')
  })
})

test("what an agent said inside of a call is not shown twice, and its result can be opened", async () => {
  await gave('So **it** is.', { parts: [{ type: 'text', text: 'So **it** is.\n', state: 'done' }] })
  expect(find('.jdc-nested strong')?.textContent).toBe('it')
  expect(find('.jdc-folded pre')).toBeNull()
  await open('details.jdc-json')
  expect(find('.jdc-folded pre')?.textContent).toBe('So **it** is.')
})

describe('an error', () => {
  const shown = () => find('.jdc-tool-error')?.firstChild?.textContent
  const failed = (errorText: string) => draw({ transcript: after(call({ state: 'output-error', errorText })) })
  const PYTHON = 'Traceback (most recent call last):\n  File "a.py", line 1, in f\n    1 / 0\nZeroDivisionError: division by zero'
  const IPYTHON = `${'-'.repeat(20)}\nKeyError                      Traceback (most recent call last)\nCell In[3], line 1\n----> 1 d["x"]\n\nKeyError: 'x'`

  test.each([
    [PYTHON, 'ZeroDivisionError: division by zero'],
    [IPYTHON, "KeyError: 'x'"],
    ['Traceback (most recent call last):\nnobody knows', 'nobody knows'],
    [`one\n${'more\n'.repeat(20)}`, 'one\nmore\nmore\nmore…'],
    ['x'.repeat(1000), `${'x'.repeat(400)}…`],
  ])('says first what it was', async (text, message) => {
    await failed(text)
    expect(shown()).toBe(message)
    expect(find('.jdc-tool-error pre')).toBeNull()
    await open('.jdc-trouble')
    expect(find('.jdc-tool-error pre')?.textContent).toBe(text)
  })

  test('that is short is there', async () => {
    await failed(`ValueError: ${EVIL}\nin f, line 3: x = 1`)
    expect(shown()).toBe(`ValueError: ${EVIL}\nin f, line 3: x = 1`)
    expect(find('.jdc-trouble')).toBeNull()
  })

  test('of code that was run is below what it printed', async () => {
    await gave({ content: [{ type: 'text', text: 'printed' }, { type: 'text', text: IPYTHON }] })
    expect(find('.jdc-folded > .jdc-json pre')?.textContent).toBe('printed')
    expect(shown()).toBe("KeyError: 'x'")
  })
})
