// @vitest-environment jsdom
/** What is named in a message: offered while it is written, chosen by keys, and asked for when it is sent. */

import { act } from 'preact/test-utils'
import { beforeEach, describe, expect, test } from 'vitest'
import { tokenAt } from '../../src/view/offers'
import type { Mention, Notebook } from '../../src/view/types'
import { all, click, did, draw, find, input, press, taken, type } from './drawn'
import { transcript } from './transcripts'

const MENTIONS: Mention[] = [
  { kind: 'variable', name: 'df', detail: 'DataFrame, 3 rows' },
  { kind: 'variable', name: 'dx', detail: 'int' },
  { kind: 'file', name: 'data/', detail: '' },
]

let refused: string | null
const notebook = {
  mentions: async (query: string) => MENTIONS.filter(({ name }) => name.startsWith(query)),
  mentioned: async ({ name }: Mention) => {
    if (refused) throw new Error(refused)
    return name === 'dx' ? new File(['12'], 'dx.txt', { type: 'text/plain' }) : { type: 'data-variable' as const, data: { label: name } }
  },
} as unknown as Notebook

const names = () => all('.jdc-name').map(({ dataset }) => dataset['name'])
const chips = () => all('.jdc-named .jdc-attachment-name').map(({ textContent }) => textContent)

async function write(text: string): Promise<void> {
  input().setSelectionRange(text.length, text.length)
  await type(text)
  await settled()
}

const settled = () => act(() => new Promise((resolve) => setTimeout(resolve)))

beforeEach(async () => {
  localStorage.clear()
  refused = null
  taken.draft = null
  taken.agents = {
    default: 'demo',
    agents: [
      { name: 'tutor', models: [], available: true, why: null, description: 'asks back' },
      { name: 'away', models: [], available: false, why: 'no key' },
    ],
    prompts: [{ name: 'explain', description: 'from the beginning', text: 'Explain {what} to me.' }],
  }
  await draw({ transcript: transcript([]), notebook })
})

describe('a name', () => {
  test.each([
    ['@d', { kind: 'mention', query: 'd', start: 0, end: 2 }],
    ['what is @df', { kind: 'mention', query: 'df', start: 8, end: 11 }],
    ['(@', { kind: 'mention', query: '', start: 1, end: 2 }],
    ['/ex', { kind: 'command', query: 'ex', start: 0, end: 3 }],
    ['me@home', null],
    ['1 /ex', null],
    ['@df is', null],
  ])('is being written in %j, or not', (text, token) => expect(tokenAt(text, text.length)).toEqual(token))
})

describe('behind @', () => {
  test('what the notebook has is offered, taken by keys, and goes with the message as it is then', async () => {
    await write('What is @d')
    expect(names()).toEqual(['df', 'dx', 'data/'])
    expect(input().getAttribute('aria-activedescendant')).toBe(find('.jdc-name[aria-selected=true]')?.id)
    await press('ArrowDown')
    await press('ArrowUp')
    expect((await press('Enter')).defaultPrevented).toBe(true)
    expect(input().value).toBe('What is @df ')
    expect(names()).toEqual([])
    expect(chips()).toEqual(['df'])
    await write('What is @df ?')
    await press('Enter')
    await settled()
    expect(did).toEqual(['send What is @df ? [{"type":"data-variable","data":{"label":"df"}}]'])
    expect(input().value).toBe('')
    expect(chips()).toEqual([])
  })

  test('a file is stored first', async () => {
    await write('@dx')
    await press('Tab')
    await press('Enter')
    await settled()
    expect(did[0]).toBe('upload dx.txt')
    expect(did[1]).toContain('"type":"file"')
  })

  test('a folder leads on', async () => {
    await write('@data')
    await press('Enter')
    await settled()
    expect(input().value).toBe('@data/')
    expect(names()).toEqual(['data/'])
    expect(chips()).toEqual([])
  })

  test('what cannot be had is said, and nothing is lost', async () => {
    await write('@df')
    await press('Enter')
    refused = 'kernelBusy'
    await press('Enter')
    await settled()
    expect(did).toEqual([])
    expect(input().value).toBe('@df ')
    expect(find('.jdc-hint')?.textContent).toMatch(/^@df: The kernel is busy/)
    refused = null
    await press('Enter')
    await settled()
    expect(did).toHaveLength(1)
  })

  test('what is taken out of the text, or away, does not go with it', async () => {
    await write('@df')
    await press('Enter')
    await click('.jdc-named .jdc-detach')
    await press('Enter')
    await settled()
    expect(did).toEqual(['send @df '])
  })

  test('Esc closes the list, stops nothing, and what was written is just text', async () => {
    await write('@d')
    await press('Escape')
    expect(names()).toEqual([])
    await press('Enter')
    expect(did).toEqual(['send @d'])
  })

  test('nothing is offered where there is no notebook', async () => {
    await draw({ transcript: transcript([]), notebook: null })
    await write('@d')
    expect(names()).toEqual([])
  })
})

describe('behind /', () => {
  test('an agent answers this one message', async () => {
    await write('/')
    expect(names()).toEqual(['explain', 'tutor'])
    await write('/tu')
    await press('Enter')
    expect(input().value).toBe('')
    expect(chips()).toEqual(['tutor answers this one'])
    await write('Why?')
    await press('Enter')
    await settled()
    expect(did).toContain('send Why? {"agent":"tutor"}')
  })

  test('a prompt is the text, and what is to be filled in is selected', async () => {
    await write('/exp')
    await press('Enter')
    await settled()
    expect(input().value).toBe('Explain {what} to me.')
    expect([input().selectionStart, input().selectionEnd]).toEqual([8, 14])
  })
})
