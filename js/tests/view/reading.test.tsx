// @vitest-environment jsdom
/** What a person does with code, diagrams and notes in an answer. */

import { act } from 'preact/test-utils'
import { afterEach, beforeAll, beforeEach, describe, expect, test, vi } from 'vitest'
import { kept } from '../../src/storage'
import { reading } from '../../src/view/dress'
import { languageOf } from '../../src/view/fences'
import { fileName } from '../../src/view/reading/filename'
import { titleOf } from '../../src/view/reading/title'
import type { Notebook, Target } from '../../src/view/types'
import { all, click, did, draw, find, press } from './drawn'
import { answer, question, transcript } from './transcripts'

let target: Target | null
let refuses: string | null

const doing = (what: string) => async (snippet: { code: string; language: string }) => {
  if (refuses) throw new Error(refuses)
  did.push(`${what} ${snippet.language}: ${snippet.code}`)
}

const notebook: Notebook = {
  kinds: () => ['text', 'python', 'shell'],
  insertBelow: doing('insert'),
  run: doing('run'),
  target: () => target,
  replace: doing('replace'),
  turnToWrite: async () => false,
  mentions: async () => ({ found: [], kernel: 'ready' }),
  mentioned: () => Promise.reject(new Error()),
  begun: () => undefined,
}

beforeAll(() => reading.load())

beforeEach(() => {
  target = null
  refuses = null
  localStorage.clear()
  document.body.firstElementChild?.classList.add('jdc')
  globalThis.matchMedia = () => Object.assign(new EventTarget(), { matches: false }) as unknown as MediaQueryList
})

afterEach(() => vi.restoreAllMocks())

async function say(text: string, around: Notebook | null = notebook): Promise<void> {
  await draw({ transcript: transcript([question('Why?'), answer([text])]), notebook: around })
}

/** The mouse comes to it. */
async function reach(selector: string): Promise<void> {
  await act(() => void find(selector)?.dispatchEvent(new Event('pointerover', { bubbles: true })))
}

const items = () => all('.jdc-menu button').map(({ textContent }) => textContent)

async function choose(label: string): Promise<void> {
  const item = all('.jdc-menu button').find(({ textContent }) => textContent.startsWith(label))
  await act(() => item?.click())
}

describe('code', () => {
  test('goes into the notebook', async () => {
    await say('```python\nx = 1\n```')
    await reach('.jdc-code')
    await click('.jdc-insert')
    await click('.jdc-run')
    expect(did).toEqual(['insert python: x = 1', 'run python: x = 1'])
    expect(all('.jdc-copied').length).toBe(2)
  })

  test.each([
    ['python', true],
    ['', true],
    ['bash', true],
    ['c++', false],
    ['json', false],
  ])('in %j is offered to a cell: %s', async (language, isOffered) => {
    await say(`\`\`\`${language}\nx\n\`\`\``)
    await reach('.jdc-code')
    expect(find('.jdc-code')?.hasAttribute('data-takes')).toBe(isOffered)
    await click('.jdc-more')
    expect(items().some((label) => label.startsWith('Replace cell'))).toBe(isOffered)
  })

  test('without a notebook is copied, wrapped and saved', async () => {
    await say('```python\nx\n```', null)
    await reach('.jdc-code')
    expect(find('.jdc-code')?.hasAttribute('data-takes')).toBe(false)
    await click('.jdc-more')
    expect(items()).toEqual(['Wrap long lines', 'Downloadcode.py'])
  })

  test('says what it would replace', async () => {
    await say('```python\nx\n```')
    await reach('.jdc-code')
    await click('.jdc-more')
    expect(items()).toEqual([
      'Wrap long lines',
      'Downloadcode.py',
      'Replace cellClick into the cell that it should replace, then try again.',
    ])
    await choose('Replace')
    expect(did).toEqual([])
    await click('.jdc-more')
    target = { count: 3, line: 'df.plot()' }
    await click('.jdc-more')
    expect(items()[0]).toBe('Replace cell[3] df.plot()')
    await choose('Replace')
    expect(did).toEqual(['replace python: x'])
    expect(items()).toEqual([])
  })

  test('that is refused says why, once', async () => {
    await say('```python\nx\n```')
    await reach('.jdc-code')
    refuses = 'readOnly'
    await click('.jdc-insert')
    refuses = 'Something else.'
    await click('.jdc-run')
    expect(all('.jdc-refused').map(({ textContent }) => textContent)).toEqual(['Something else.'])
    refuses = null
    await click('.jdc-run')
    expect(find('.jdc-refused')).toBeNull()
  })

  test('has a name', async () => {
    await say('```js title="src/x.js"\nx\n```')
    expect(find('.jdc-code')?.dataset).toMatchObject({ lang: 'js', title: 'src/x.js' })
    await click('.jdc-more')
    expect(items().at(-1)).toBe('Downloadx.js')
  })

  test('is saved', async () => {
    let saved: Blob | undefined
    let name = ''
    URL.createObjectURL = (blob) => ((saved = blob as Blob), 'blob:x')
    vi.spyOn(HTMLAnchorElement.prototype, 'click').mockImplementation(function (this: HTMLAnchorElement) {
      name = this.download
    })
    await say('```python\nx = 1\n```')
    await click('.jdc-more')
    await choose('Download')
    expect([name, await saved?.text()]).toEqual(['code.py', 'x = 1\n'])
  })

  test('is wrapped, in all chats and from now on', async () => {
    await say('```python\nx\n```')
    await click('.jdc-more')
    await choose('Wrap')
    expect(document.body.firstElementChild?.hasAttribute('data-wrap')).toBe(true)
    expect(kept('preference:wrap')).toBe('on')
    await click('.jdc-more')
    expect(find('[role=menuitemcheckbox]')?.ariaChecked).toBe('true')
    localStorage.removeItem('jupyter-durable-chat:preference:wrap')
    dispatchEvent(new StorageEvent('storage', { key: 'jupyter-durable-chat:preference:wrap' }))
    expect(document.body.firstElementChild?.hasAttribute('data-wrap')).toBe(false)
  })

  test('has a menu for the keyboard, and its Escape does not stop the answer', async () => {
    await say('```python\nx\n```', null)
    await click('.jdc-more')
    const [first, last] = all('.jdc-menu button') as [HTMLElement, HTMLElement]
    expect(document.activeElement).toBe(first)
    await press('ArrowUp', {}, first)
    expect(document.activeElement).toBe(last)
    await press('ArrowDown', {}, last)
    expect(document.activeElement).toBe(first)
    await press('Escape', {}, first)
    expect(document.activeElement).toBe(find('.jdc-more'))
    expect(find('.jdc-menu')).toBeNull()
    expect(did).toEqual([])
  })

  test('closes its menu when something else is pressed', async () => {
    await say('```python\nx\n```')
    await click('.jdc-more')
    await act(() => void document.body.dispatchEvent(new Event('pointerdown', { bubbles: true })))
    expect(find('.jdc-menu')).toBeNull()
  })
})

test.each([
  ['', '', ''],
  ['c++', 'c++', ''],
  ['js title="x"', 'js', 'x'],
  ["Python file='a b.py'", 'python', 'a b.py'],
  ['{r}', 'r', ''],
  ['{r, file=x.R}', 'r', 'x.R'],
  ['{.python title="x.py"}', 'python', 'x.py'],
  ['js:src/x.js', 'js', 'src/x.js'],
  ['src/x.py', 'py', 'src/x.py'],
  ['python main.py', 'python', 'main.py'],
  ['.sql', 'sql', ''],
  ['title="notes.txt"', '', 'notes.txt'],
  ['python showLineNumbers {1,3}', 'python', ''],
])('the info %j says %j and %j', (info, language, title) => expect([languageOf(info), titleOf(info)]).toEqual([language, title]))

test.each([
  ['python', '', 'code.py'],
  ['c++', '', 'code.cpp'],
  ['dockerfile', '', 'Dockerfile'],
  ['json', '', 'code.json'],
  ['', '', 'code.txt'],
  ['what is this', '', 'code.txt'],
  ['python', 'src/a b.py', 'a b.py'],
  ['python', '..\\..\\x.py', 'x.py'],
  ['python', '../..', 'code.py'],
  ['python', 'x\u202eyp.exe\u0000', 'xyp.exe'],
  ['bash', '.bashrc', '.bashrc'],
  ['constructor', '', 'code.txt'],
])('code in %j, titled %j, is saved as %j', (language, title, name) => expect(fileName(language, title)).toBe(name))

describe('a note', () => {
  const TEXT = 'One[^a] and two[^B].\n\nMore[^b].\n\n[^a]: First **note**.\n\n[^b]: Second.\n\n    Of two paragraphs.'

  test('is led to by its mark, and leads back to the one that was pressed', async () => {
    await say(TEXT)
    const [a, b, again] = all('.jdc-mark') as [HTMLElement, HTMLElement, HTMLElement]
    const [first, second] = all('[data-jdc-note]') as [HTMLElement, HTMLElement]
    await act(() => a.click())
    expect(document.activeElement).toBe(first)
    await act(() => again.click())
    expect(document.activeElement).toBe(second)
    await act(() => second.querySelector<HTMLElement>('.jdc-unmark')?.click())
    expect(document.activeElement).toBe(again)
    expect([a.ariaLabel, b.ariaLabel]).toEqual(['Footnote a', 'Footnote B'])
    expect(document.querySelectorAll('[id]').length).toBe(0)
  })

  test('is the tooltip of its mark', async () => {
    await say(TEXT)
    const titles: string[] = []
    for (const mark of all('.jdc-mark')) {
      await act(() => void mark.dispatchEvent(new Event('pointerover', { bubbles: true })))
      titles.push(mark.title)
    }
    expect(titles).toEqual(['First note.', 'Second. Of two paragraphs.', 'Second. Of two paragraphs.'])
  })
})

test('where there is no Mermaid, a diagram is its source', async () => {
  await say('```mermaid\nflowchart LR\n  a --> b\n```')
  await act(() => Promise.resolve())
  expect(find('.jdc-code')?.textContent).toContain('a --> b')
  expect(find('.jdc-picture')).toBeNull()
  expect(find('.jdc-undrawn')).toBeNull()
})
