// @vitest-environment jsdom
/** `@` names what is in the notebook, `/` agents and prompts; what is sent of it is as it is then, and nothing is lost. */

import { act } from 'preact/test-utils'
import { beforeEach, describe, expect, test } from 'vitest'
import { firstBlank, isNamed, tokenAt } from '../../src/view/names'
import type { Mention, Mentions, Notebook } from '../../src/view/types'
import { all, did, draw, find, input, press, taken, type } from './drawn'
import { running, transcript } from './transcripts'

const DF: Mention = { kind: 'variable', name: 'df', detail: 'DataFrame, 3 rows' }
const CELL: Mention = { kind: 'cell', name: 'cell:3', detail: 'import pandas' }
const FILE: Mention = { kind: 'file', name: 'a.csv', detail: '12 B' }
const FOLDER: Mention = { kind: 'file', name: 'data/', detail: '' }

let kernel: Mentions['kernel']
let later: Promise<Mentions> | undefined
let mentioned: Notebook['mentioned']

const notebook = {
  mentions: async (query: string) => ({ found: [DF, CELL, FILE, FOLDER].filter(({ name }) => name.startsWith(query)), kernel, ...(later && { later }) }),
  mentioned: (mention: Mention, from: Element, signal: AbortSignal) => mentioned(mention, from, signal),
} as unknown as Notebook

beforeEach(() => {
  kernel = 'ready'
  later = undefined
  mentioned = async ({ name }) => ({ type: 'data-variable', data: { label: name, text: '3' } })
  taken.agents = {
    default: 'demo',
    agents: [
      { name: 'demo', models: [], available: true, why: null },
      { name: 'parrot', description: 'repeats', models: [], available: true, why: null },
      { name: 'away', models: [], available: false, why: 'no key' },
    ],
    prompts: [{ name: 'explain', description: 'simply', text: 'Explain {what} to {whom}.' }],
  }
})

const settle = () => act(async () => void (await new Promise((resolve) => setTimeout(resolve))))
const write = async (text: string) => {
  await type(text)
  await settle()
}
const promised = (): [Promise<Mentions>, (mentions: Mentions) => void] => {
  let answer: (mentions: Mentions) => void = () => undefined
  const free = new Promise<Mentions>((resolve) => {
    answer = resolve
  })
  return [free, answer]
}
const options = () => all('[role="option"] b').map((option) => option.textContent)
const chosen = () => find('[role="option"][aria-selected="true"] b')?.textContent
const chips = () => all('.jdc-named').map(({ dataset, textContent }) => [dataset['state'], textContent])
const sent = () => did.filter((line) => line.startsWith('send'))

test.each([
  ['@', 1, { sign: '@', query: '', start: 0, end: 1 }],
  ['see @df', 7, { sign: '@', query: 'df', start: 4, end: 7 }],
  ['see @dfx now', 6, { sign: '@', query: 'd', start: 4, end: 8 }],
  ['(@a', 3, { sign: '@', query: 'a', start: 1, end: 3 }],
  ['me@df', 5, null],
  ['@df ', 4, null],
  ['/pa', 3, { sign: '/', query: 'pa', start: 0, end: 3 }],
  ['a /pa', 5, null],
  ['/usr/bin', 8, null],
] as const)('at the caret of %j (%i) is %j', (text, caret, token) => expect(tokenAt(text, caret)).toEqual(token))

test.each([
  ['see @df.', true],
  ['@df', true],
  ['(@df)', true],
  ['@df2', false],
  ['me@df', false],
  ['df', false],
  ['@dfé and @df', true],
])('%j names df: %j', (text, is) => expect(isNamed(text, DF)).toBe(is))

test('the first blank of a prompt', () => {
  expect(firstBlank('Explain {what} to {whom}.')).toEqual([8, 14])
  expect(firstBlank('Nothing {}')).toBeNull()
})

describe('@', () => {
  beforeEach(() => draw({ transcript: transcript([]), notebook }))

  test('offers what there is, in the middle of a text, and keys choose', async () => {
    await write('Look at @')
    expect(options()).toEqual(['df', 'cell:3', 'a.csv', 'data/'])
    const list = find('[role="listbox"]') as HTMLElement
    expect(input().getAttribute('aria-controls')).toBe(list.id)
    expect(document.getElementById(input().getAttribute('aria-activedescendant') ?? '')?.textContent).toContain('df')
    await press('ArrowUp')
    expect(chosen()).toBe('data/')
    await press('ArrowDown')
    await press('ArrowDown')
    expect(chosen()).toBe('cell:3')
    expect((await press('Tab')).defaultPrevented).toBe(true)
    expect(input().value).toBe('Look at @cell:3 ')
    expect(chips()).toEqual([['ready', '@cell:3import pandas']])
    expect(find('[role="listbox"]')).toBeNull()
    expect(input().hasAttribute('aria-activedescendant')).toBe(false)
  })

  test('Enter takes, and does not send; Esc closes, and opens no more for that word', async () => {
    await write('@d')
    await press('Enter')
    expect(input().value).toBe('@df ')
    await write('@d')
    expect((await press('Escape')).defaultPrevented).toBe(true)
    expect(options()).toEqual([])
    await write('@da')
    expect(options()).toEqual([])
    await write('')
    await write('@d')
    expect(options()).toEqual(['df', 'data/'])
    expect(sent()).toEqual([])
  })

  test('a folder is gone into', async () => {
    await write('@data')
    await press('Enter')
    await settle()
    expect(input().value).toBe('@data/')
    expect(options()).toEqual(['data/'])
    expect(chips()).toEqual([])
  })

  test('what is written out is chosen with the space behind it; an e-mail address is none', async () => {
    await write('@df')
    expect((await press(' ')).defaultPrevented).toBe(true)
    expect(chips()).toHaveLength(1)
    await write('me@df')
    expect(options()).toEqual([])
  })

  test('a key of a character that is being composed is not for the list', async () => {
    await write('@')
    expect((await press('Enter', { isComposing: true })).defaultPrevented).toBe(false)
    expect((await press('Enter', { keyCode: 229 })).defaultPrevented).toBe(false)
    expect(input().value).toBe('@')
  })

  test('a kernel that is busy is said, and the rest is offered', async () => {
    kernel = 'busy'
    await write('@c')
    expect(options()).toEqual(['cell:3'])
    expect(find('.jdc-completion p')?.textContent).toContain('The kernel is busy')
  })

  test('when it is free, its variables come, and what was gone to stays chosen', async () => {
    const [free, answer] = promised()
    kernel = 'busy'
    later = free
    await write('@')
    await press('ArrowDown')
    await press('ArrowDown')
    expect(chosen()).toBe('a.csv')
    answer({ found: [{ ...DF, name: 'early' }, DF, CELL, FILE, FOLDER], kernel: 'ready' })
    await settle()
    expect(options()).toEqual(['early', 'df', 'cell:3', 'a.csv', 'data/'])
    expect(chosen()).toBe('a.csv')
    expect(find('.jdc-completion p')).toBeNull()
  })

  test('what comes for a word that is not there any more is not shown', async () => {
    const [free, answer] = promised()
    kernel = 'busy'
    later = free
    await write('@c')
    later = undefined
    await write('@a')
    answer({ found: [CELL], kernel: 'ready' })
    await settle()
    expect(options()).toEqual(['a.csv'])
  })

  test('its value is read when it is sent, and goes with the text', async () => {
    await write('@df')
    await press('Enter')
    await press('Enter')
    await settle()
    expect(sent()).toEqual(['send @df  [{"type":"data-variable","data":{"label":"df","text":"3"}}]'])
    expect(input().value).toBe('')
    expect(chips()).toEqual([])
    expect(taken.draft).toBeNull()
  })

  test('a file is stored before it is sent', async () => {
    mentioned = async () => new File(['x'], 'a.csv', { type: 'text/csv' })
    await write('@a')
    await press('Enter')
    await press('Enter')
    await settle()
    expect(did).toContain('upload a.csv')
    expect(sent()[0]).toContain('"mediaType":"text/csv"')
  })

  test('what cannot be read is said, and everything is still there', async () => {
    mentioned = () => Promise.reject(new Error('kernelBusy'))
    await write('@df')
    await press('Enter')
    await press('Enter')
    await settle()
    expect(sent()).toEqual([])
    expect(input().value).toBe('@df ')
    expect(chips()).toEqual([['failed', expect.stringContaining('The kernel is busy.')]])
    expect(find('.jdc-hint')?.textContent).toContain('Not sent: @df.')
    await act(() => find('.jdc-named .jdc-detach')?.click())
    await press('Enter')
    expect(sent()).toEqual(['send @df '])
  })

  test('who does not want to wait for a value takes it back with Esc, which stops no answer', async () => {
    mentioned = () => new Promise(() => undefined)
    await draw({ transcript: running('Half'), notebook })
    await write('@df')
    await press('Enter')
    await press('Enter')
    expect(input().readOnly).toBe(true)
    await press('Escape')
    await settle()
    expect(input().readOnly).toBe(false)
    expect(did.filter((line) => line !== 'agents')).toEqual([])
  })

  test('what the text does not say any more is not sent, and what is undone is', async () => {
    await write('@df')
    await press('Enter')
    await write('nothing')
    expect(chips()).toEqual([])
    await write('@df after all')
    expect(chips()).toHaveLength(1)
  })
})

test('what was named is in the draft; where there is no notebook, it is said and not dropped', async () => {
  taken.draft = { text: 'See @df', files: [], named: [DF], agent: 'parrot' }
  await draw({ transcript: transcript([]) })
  expect(chips().map(([, text]) => text)).toEqual(['Asks parrot', '@dfDataFrame, 3 rows'])
  await press('Enter')
  await settle()
  expect(sent()).toEqual([])
  expect(find('.jdc-hint')?.textContent).toContain('There is no notebook here')
})

test('without a notebook, @ is only a sign', async () => {
  await draw({ transcript: transcript([]) })
  await write('@')
  expect(find('.jdc-completion')).toBeNull()
})

describe('/', () => {
  beforeEach(() => draw({ transcript: transcript([]) }))

  test('names who is to answer this one message', async () => {
    await write('/')
    expect(options()).toEqual(['demo', 'parrot', 'explain'])
    await write('/pa')
    await press('Enter')
    expect(input().value).toBe('')
    expect(chips()).toEqual([['ready', 'Asks parrot']])
    await write('Hello')
    await press('Enter')
    expect(sent()).toEqual(['send Hello {"agent":"parrot"}'])
    expect(chips()).toEqual([])
  })

  test('puts a prompt there, with what is to be filled in selected', async () => {
    await write('/exp')
    await press('Enter')
    expect(input().value).toBe('Explain {what} to {whom}.')
    expect([input().selectionStart, input().selectionEnd]).toEqual([8, 14])
    await settle()
    expect(find('.jdc-completion')).toBeNull()
    expect(sent()).toEqual([])
  })

  test('is only text where nothing is called so', async () => {
    await write('/nobody')
    await press('Enter')
    expect(sent()).toEqual(['send /nobody'])
  })
})
