// @vitest-environment jsdom
/** Going from turn to turn, folding them, and what keys do on a message. */

import { act } from 'preact/test-utils'
import { beforeEach, describe, expect, test, vi } from 'vitest'
import { all, click, did, draw, editor, find, input, press, taken, type } from './drawn'
import { drawnIds, heights, layOut, place, position, resized, scrollTo } from './layout'
import { answer, question, running, transcript } from './transcripts'

const TURNS = 40

const messages = Array.from({ length: TURNS }, (_, n) => [
  question(n === 7 ? 'Where is the needle?' : `Question ${n}?`, `${n}`),
  answer([`Answer ${n}.`], n === 7 ? { outcome: 'failed' } : {}, `${n}`),
]).flat()
const long = transcript(messages)

const focused = () => document.activeElement?.getAttribute('data-message-id')
const message = (id: string) => find(`[data-message-id="${id}"]`) as HTMLElement
const focus = (id: string) => message(id).focus()
const onFocused = (key: string, more: KeyboardEventInit = {}) => press(key, more, document.activeElement as Element)

let copied: string[] = []

beforeEach(async () => {
  copied = []
  Object.assign(navigator, { clipboard: { writeText: async (text: string) => void copied.push(text) } })
  localStorage.clear()
  layOut()
  await draw({ transcript: long })
})

describe('the conversation as a file', () => {
  const formats = () => all('.jdc-downloads button').map(({ dataset }) => dataset['format'])
  const panel = () => find('.jdc-downloads')
  const offered: string[] = []

  beforeEach(async () => {
    offered.length = 0
    taken.commands = true
    URL.createObjectURL = (blob) => `blob:${(blob as Blob).type}`
    HTMLAnchorElement.prototype.click = function () {
      offered.push(`${this.download} ${this.href}`)
    }
    await click('button.jdc-download-button')
  })

  test('is offered in four forms, is saved under its name, and leads back to where one was', async () => {
    expect(formats()).toEqual(['md', 'html', 'ipynb', 'json'])
    expect(document.activeElement?.getAttribute('data-format')).toBe('md')
    await click('.jdc-downloads [data-format="html"]')
    expect(did.at(-1)).toBe('file html')
    expect(offered).toEqual(['Ä.html blob:application/octet-stream'])
    expect(panel()).toBeNull()
    expect(document.activeElement).toBe(find('button.jdc-download-button'))
  })

  test('is not there, and why: one may try again', async () => {
    taken.commands = false
    await click('.jdc-downloads [data-format="json"]')
    expect(find('.jdc-downloads [role="alert"]')?.textContent).toBe('The server is away.')
    taken.commands = true
    await click('.jdc-downloads [data-format="json"]')
    expect(offered).toEqual(['Ä.json blob:application/octet-stream'])
  })

  test('is closed by Escape, which stops nothing', async () => {
    await press('Escape', {}, document.activeElement as Element)
    expect(panel()).toBeNull()
    expect(did).not.toContain('stop')
  })

  test('has no button where there is nothing to save, or nobody to ask', async () => {
    await draw({ transcript: transcript([]) })
    expect(find('button.jdc-download-button')).toBeNull()
    await draw({ transcript: long, actions: null })
    expect(find('button.jdc-download-button')).toBeNull()
  })
})

describe('the outline', () => {
  const filter = () => find<HTMLInputElement>('.jdc-outline-filter') as HTMLInputElement
  const lines = () => all('.jdc-turns li').map((line) => line.dataset['turnOf'])

  beforeEach(() => click('button.jdc-outline-button'))

  test('lists what was asked, and marks what went wrong; it begins at the end', () => {
    expect(lines()).toHaveLength(TURNS)
    expect(document.activeElement).toBe(filter())
    expect(find('[data-turn-of="q_7"]')?.textContent).toContain('Where is the needle?')
    expect(find('[data-turn-of="q_7"]')?.textContent).toContain('failed')
    expect(find('.jdc-turns [aria-selected="true"]')?.dataset['turnOf']).toBe('q_39')
  })

  test('typing filters, Enter goes there', async () => {
    await type('NEEDLE', filter())
    expect(lines()).toEqual(['q_7'])
    await press('Enter', {}, filter())
    expect(find('.jdc-outline')).toBeNull()
    expect(focused()).toBe('q_7')
    expect(place('q_7')).toBe(12)
    expect(drawnIds()).toContain('a_7')
  })

  test('arrows choose among them', async () => {
    await type('Question 1', filter())
    await press('ArrowDown', {}, filter())
    await press('ArrowDown', {}, filter())
    await press('Enter', {}, filter())
    expect(focused()).toBe('q_11')
  })

  test('nothing found is said; Esc closes it, stops nothing, and gives the focus back', async () => {
    await type('no such thing', filter())
    expect(find('.jdc-outline .jdc-aside')?.textContent).toBe('No turn has that in it')
    await press('Enter', {}, filter())
    await press('Escape', { keyCode: 229 }, filter())
    expect(find('.jdc-outline')).not.toBeNull()
    await press('Escape', {}, filter())
    expect(find('.jdc-outline')).toBeNull()
    expect(document.activeElement).toBe(find('button.jdc-outline-button'))
    expect(did).toEqual([])
  })

  test('folds all, and unfolds all', async () => {
    await click('.jdc-fold-all')
    expect(find('.jdc-slot [data-role="assistant"]:not(.jdc-folded-answer)')).toBeNull()
    await click('.jdc-unfold-all')
    expect(find('.jdc-folded-answer')).toBeNull()
  })
})

test('one turn has no outline, and nothing to fold', async () => {
  await draw({ transcript: transcript(messages.slice(0, 2)) })
  expect(find('.jdc-outline-button, .jdc-fold')).toBeNull()
})

describe('keys', () => {
  test('with Alt, the arrows go from turn to turn', async () => {
    await scrollTo(0)
    await press('ArrowDown', { altKey: true }, find('.jdc-scroll') as Element)
    expect(focused()).toBe('q_1')
    expect(place('q_1')).toBe(12)
    await onFocused('ArrowDown', { altKey: true })
    expect(focused()).toBe('q_2')
    await onFocused('ArrowUp', { altKey: true })
    await onFocused('ArrowUp', { altKey: true })
    expect(focused()).toBe('q_0')
    expect(position().top).toBe(0)
    await onFocused('ArrowUp', { altKey: true })
    expect(focused()).toBe('q_0')
  })

  test('a turn that was not drawn is at the upper edge, however tall it turns out to be', async () => {
    await click('.jdc-outline-button')
    await click('[data-turn-of="q_20"]')
    expect(place('q_20')).toBe(12)
    expect(drawnIds()).toContain('a_19')
    expect(drawnIds()).not.toContain('q_19')
    heights.set('q_19', 155)
    await onFocused('ArrowUp', { altKey: true })
    expect(focused()).toBe('q_19')
    expect(place('q_19')).toBe(12)
  })

  test('with Alt, where one writes they are not ours', async () => {
    expect((await press('ArrowUp', { altKey: true })).defaultPrevented).toBe(false)
    expect(focused()).not.toBe('q_38')
  })

  test('Home and End go there at once, and find it drawn', async () => {
    const box = find('.jdc-scroll') as Element
    await press('Home', {}, box)
    expect(position().top).toBe(0)
    expect(drawnIds()).toContain('a_0')
    await press('End', {}, box)
    expect(position().top).toBe(position().end)
    expect((await press('Home', {}, input())).defaultPrevented).toBe(false)
  })

  test('on a message the arrows go to the next one', async () => {
    await scrollTo(0)
    focus('q_0')
    await onFocused('ArrowDown')
    expect(focused()).toBe('a_0')
    await onFocused('ArrowUp')
    expect(focused()).toBe('q_0')
  })

  test('as in a feed, pages go to the next one, from anything in a message', async () => {
    await scrollTo(0)
    focus('q_0')
    await onFocused('PageDown')
    expect(focused()).toBe('a_0')
    find('[data-message-id="a_0"] button')?.focus()
    await onFocused('PageDown')
    expect(focused()).toBe('q_1')
    await onFocused('PageUp')
    expect(focused()).toBe('a_0')
    expect((await press('PageDown', {}, input())).defaultPrevented).toBe(false)
    expect((await press('PageDown', {}, find('.jdc-scroll') as Element)).defaultPrevented).toBe(false)
  })

  test('with Ctrl, Home and End lead out of the messages', async () => {
    // A layout that has places only for messages: for this, everything has one.
    vi.spyOn(HTMLElement.prototype, 'getClientRects').mockReturnValue([{}] as unknown as DOMRectList)
    focus('a_38')
    await onFocused('End', { ctrlKey: true })
    expect(find('.jdc-scroll')?.compareDocumentPosition(document.activeElement as Node)).toBe(Node.DOCUMENT_POSITION_FOLLOWING)
    focus('a_38')
    await onFocused('Home', { ctrlKey: true })
    expect(find('.jdc-scroll')?.compareDocumentPosition(document.activeElement as Node)).toBe(Node.DOCUMENT_POSITION_PRECEDING)
    expect((await press('End', { ctrlKey: true }, input())).defaultPrevented).toBe(false)
    vi.restoreAllMocks()
  })

  test.each([
    ['e', 'q_39', () => expect(editor()).not.toBeNull()],
    ['r', 'a_39', () => expect(did).toEqual(['retry a_39'])],
    ['c', 'a_39', () => expect(copied).toEqual(['Answer 39.'])],
    ['c', 'q_39', () => expect(copied).toEqual(['Question 39?'])],
    ['f', 'q_39', () => expect(message('a_39').className).toContain('jdc-folded-answer')],
    ['?', 'a_39', () => expect(find('.jdc-shortcuts')?.textContent).toContain('Alt+↑')],
  ])('%s on %s does what its button does', async (key, id, expected) => {
    focus(id)
    expect((await onFocused(key)).defaultPrevented).toBe(true)
    expected()
  })

  test.each(['e', 'r', 'f', 'c', '?'])('%s is only a letter where the message itself is not focused', async (key) => {
    find('[data-message-id="a_39"] .jdc-retry')?.focus()
    expect((await onFocused(key)).defaultPrevented).toBe(false)
    input().focus()
    expect((await press(key)).defaultPrevented).toBe(false)
    expect(did.filter((what) => what !== 'agents')).toEqual([])
    expect(find('.jdc-folded-answer, .jdc-shortcuts, .jdc-edit-input')).toBeNull()
  })

  test('what no button offers, no key does', async () => {
    const { turn, messages: live } = running('Half')
    for (const { id } of [...messages, ...live]) heights.set(id, 60)
    await draw({ transcript: transcript([...messages.slice(0, 4), ...live], { turn }) })
    await resized()
    focus('q_1')
    await onFocused('e')
    focus('a_1')
    await onFocused('r')
    expect(editor()).toBeNull()
    expect(did).toEqual([])
  })

  test('left and right step through versions, again and again', async () => {
    const at = (n: number) => {
      const one = answer([`Version ${n}`], {}, '39')
      return { ...one, id: `v${n}`, metadata: { ...one.metadata, lsn: n, parent: 'q_39' } }
    }
    const versions = [at(1), at(2), at(3)]
    const shown = async (n: number) => {
      const others = versions.filter((_, index) => index !== n - 1)
      await draw({ transcript: transcript([...messages.slice(0, -1), at(n)], { others }) })
    }
    await shown(3)
    focus('v3')
    await onFocused('ArrowLeft')
    await shown(2)
    await onFocused('ArrowLeft')
    expect(did).toEqual(['show v2', 'show v1'])
  })
})

describe('a new chat from here', () => {
  const panel = () => find('.jdc-forked')

  test('is made once, with the ways to it', async () => {
    focus('a_38')
    await onFocused('n')
    await act(() => undefined)
    expect(did.filter((what) => what.startsWith('fork'))).toEqual(['fork a_38'])
    expect(document.activeElement?.getAttribute('href')).toBe('http://localhost:8888/durable-chat/s/s_new')
    expect(panel()?.querySelector('code')?.textContent).toContain('Chat(session="s_new")')
    await onFocused('Escape')
    expect(panel()).toBeNull()
    expect(document.activeElement).toBe(find('[data-message-id="a_38"] .jdc-fork'))
  })

  test('is not made once more when the answer goes on', async () => {
    await click('[data-message-id="a_39"] .jdc-fork')
    const [question, answer] = long.messages.slice(-2)
    const again = { ...long, messages: [...long.messages.slice(0, -2), question, { ...answer, metadata: { ...answer?.metadata, outcome: null } }] } as typeof long
    const turn = { id: answer?.metadata.turn, message_id: 'a_39', user_message_id: question?.id } as never
    await draw({ transcript: { ...again, status: 'streaming', turn } })
    expect(panel()).toBeNull()
    await draw({ transcript: long })
    expect(panel()).toBeNull()
    expect(did.filter((what) => what.startsWith('fork'))).toEqual(['fork a_39'])
  })

  test('is not there, and why', async () => {
    taken.commands = false
    await click('[data-message-id="a_39"] .jdc-fork')
    await act(() => undefined)
    expect(panel()?.textContent).toContain('The server is away.')
    await click('.jdc-forked .jdc-link')
    expect(panel()).toBeNull()
  })

  test('is not offered where nothing can be asked', async () => {
    await draw({ transcript: long, state: 'static' })
    expect(find('.jdc-fork')).toBeNull()
  })
})

describe('a folded turn', () => {
  test('shows its answer in one line, and is kept so in this browser', async () => {
    await click('[data-message-id="q_39"] .jdc-fold')
    expect(message('a_39').textContent).toBe('Answer 39.')
    expect(find('[data-message-id="q_39"] .jdc-fold')?.getAttribute('aria-expanded')).toBe('false')
    await draw({ transcript: null })
    await draw({ transcript: long })
    expect(message('a_39').className).toContain('jdc-folded-answer')
    await click('.jdc-unfold')
    expect(find('.jdc-folded-answer')).toBeNull()
    await draw({ transcript: { ...long, id: 's_2' } })
    expect(find('.jdc-folded-answer')).toBeNull()
  })

  test('is copied by its key as if it were open', async () => {
    await click('[data-message-id="q_39"] .jdc-fold')
    focus('a_39')
    expect((await onFocused('c')).defaultPrevented).toBe(true)
    expect(copied).toEqual(['Answer 39.'])
    expect(message('a_39').className).toContain('jdc-folded-answer')
  })

  test('says how it ended, and that it still runs', async () => {
    const { turn, messages: live } = running('Half')
    for (const { id } of [...messages, ...live]) heights.set(id, 60)
    const stopped = answer(['So far'], { outcome: 'stopped' }, '0')
    await draw({ transcript: transcript([messages[0] as never, stopped, ...live], { turn }) })
    await resized()
    await click('[data-message-id="q_0"] .jdc-fold')
    await click('[data-message-id="q_t_1"] .jdc-fold')
    expect(message('a_0').textContent).toBe('So farStopped')
    expect(message('a_t_1').querySelector('.jdc-shimmer')?.textContent).toBe('Half')
    await act(() => undefined)
  })
})
