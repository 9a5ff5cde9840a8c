// @vitest-environment jsdom
/** What a person sees and does in the panel of all chats, by keyboard as by mouse. */

import { h, render } from 'preact'
import { act } from 'preact/test-utils'
import { afterEach, beforeEach, expect, test } from 'vitest'

import type { Listed, SessionList } from '../../src/sessions/list'
import { Panel, type PanelActions } from '../../src/sessions/Panel'
import { ago, groupOf } from '../../src/sessions/when'
import '../view/drawn'

const NOW = new Date(2026, 10, 20, 15, 30).getTime()
const MINUTE = 60_000
const DAY = 24 * 60 * MINUTE

let root: HTMLElement
let did: string[]
let list: SessionList & { rows: Listed[] }

const actions: PanelActions = {
  open: ({ id }, aside) => did.push(`open ${id}${aside ? ' aside' : ''}`),
  create: () => did.push('create'),
  rename: ({ id }) => did.push(`rename ${id}`),
  remove: ({ id }) => did.push(`remove ${id}`),
}

beforeEach(() => {
  did = []
  document.body.replaceChildren((root = document.createElement('div')))
  list = { rows: [], phase: 'there', query: '', more: false, offline: null, search: (text: string) => did.push(`search ${text}`), retry: () => did.push('retry') } as never
})

afterEach(() => act(() => render(null, root)))

function row(id: string, past = 0, more: Partial<Listed> = {}): Listed {
  const updated_at = new Date(NOW - past).toISOString()
  return { id, title: id, notebook: null, state: 'idle', unread: false, muted: false, preview: '', messages: 0, updated_at, ...more }
}

async function draw(...rows: Listed[]): Promise<void> {
  list.rows = rows
  await act(() => render(h(Panel, { list, actions, now: NOW }), root))
}

const all = (selector: string) => [...root.querySelectorAll<HTMLElement>(selector)]
const focused = () => (document.activeElement as HTMLElement).dataset['chat'] ?? document.activeElement?.className
async function press(key: string, more: KeyboardEventInit = {}): Promise<void> {
  await act(() => void document.activeElement?.dispatchEvent(new KeyboardEvent('keydown', { key, bubbles: true, cancelable: true, ...more })))
}

test('each is told in words: name, state, what is unread and muted, notebook and time', async () => {
  const states = ['streaming', 'waiting', 'attention', 'failed', 'ready', 'idle'] as const
  const more = [{}, {}, { muted: true }, { unread: true, notebook: 'data/a.ipynb' }, {}, { title: null }]
  await draw(...states.map((state, n) => row(`s_${n}`, n * 5 * MINUTE, { title: 'Peas', state, ...more[n] })))
  expect(all('[role=option]').map(({ textContent }) => textContent)).toEqual([
    'Peas(is answering)now',
    'Peas(waits for you)5 min',
    'Peas(needs attention, muted)10 min',
    'Peas(the answer failed, unread)15 min a.ipynb',
    'Peas(the answer is ready)20 min',
    'New chat(idle)25 min',
  ])
  expect(all('[role=option]').map((option) => option.getAttribute('aria-posinset'))).toEqual(['1', '2', '3', '4', '5', '6'])
})

test('they stand under their days', async () => {
  await draw(row('a'), row('b', 16 * 60 * MINUTE), row('c', 3 * DAY), row('d', 40 * DAY), row('e', 41 * DAY))
  expect(all('[role=group]').map((group) => group.getAttribute('aria-label'))).toEqual(['Today', 'Yesterday', 'Last 7 days', 'Older'])
  expect(all('[role=group]').map((group) => group.querySelectorAll('[role=option]').length)).toEqual([1, 1, 1, 2])
})

test('arrows lead from one to the next, and what is pressed is done to the one that has the focus', async () => {
  await draw(row('a'), row('b'), row('c'))
  const search = root.querySelector<HTMLElement>('input') as HTMLElement
  search.focus()
  await press('ArrowDown')
  expect([focused(), all('[tabindex="0"]').length]).toEqual(['a', 1])
  await press('ArrowDown')
  await press('Enter')
  await press('Enter', { ctrlKey: true })
  await press('F2')
  await press('Delete')
  await press('End')
  await press('ArrowDown')
  await press('Enter')
  await press('Home')
  await press(' ')
  expect(did).toEqual(['open b', 'open b aside', 'rename b', 'remove b', 'open c', 'open a'])
})

test('one that goes up keeps the focus; one that is gone hands it on', async () => {
  await draw(row('a'), row('b'), row('c'))
  all('[data-chat=c]')[0]?.focus()
  await draw(row('c'), row('a'), row('b'))
  expect(focused()).toBe('c')
  await draw(row('a'), row('b'))
  expect(focused()).toBe('a')
})

test('a press opens; with Ctrl, aside', async () => {
  await draw(row('a'))
  await act(() => all('[data-chat=a]')[0]?.click())
  await act(() => void all('[data-chat=a]')[0]?.dispatchEvent(new MouseEvent('click', { bubbles: true, ctrlKey: true })))
  expect(did).toEqual(['open a', 'open a aside'])
})

test('a list without chats says how one begins, one without a server that, and a search what it did not find', async () => {
  await draw()
  expect(root.textContent).toContain('No chats yet')
  list = { ...list, phase: 'failed', offline: 'The server cannot be reached.' } as never
  await draw()
  expect(root.querySelector('[role=alert]')?.textContent).toContain('The server cannot be reached.')
  expect(root.textContent).not.toContain('No chats yet')
  await act(() => root.querySelector<HTMLElement>('[role=alert] button')?.click())
  expect(did).toEqual(['retry'])
  list = { ...list, phase: 'there', offline: null, query: 'peas' } as never
  await draw()
  expect(root.textContent).toContain('No chat has “peas” in it')
})

test('times are short, and the days are the person’s', () => {
  const before = (past: number) => ago(new Date(NOW - past).toISOString(), NOW)
  expect([before(-5000), before(59_000), before(61_000), before(3 * 60 * MINUTE)]).toEqual(['now', 'now', '1 min', '3 hr'])
  expect(before(3 * DAY)).toMatch(/17/)
  expect(before(400 * DAY)).toMatch(/2025/)
  expect(ago('never', NOW)).toBe('')
  expect(groupOf(new Date(2026, 10, 20, 0, 0).toISOString(), NOW)).toBe('today')
  expect(groupOf(new Date(2026, 10, 19, 23, 59).toISOString(), NOW)).toBe('yesterday')
})
