// @vitest-environment jsdom
/** Writing: what sends, what goes back to what was written, and what one is told meanwhile. */

import { act } from 'preact/test-utils'
import { beforeEach, describe, expect, test, vi } from 'vitest'
import { sendKey } from '../../src/view/keys'
import { en } from '../../src/words/en'
import { all, click, did, draw, editor, find, input, press, taken, type } from './drawn'
import { answer, question, running, transcript, waiting } from './transcripts'

const sendKeyPicker = () => find<HTMLSelectElement>('.jdc-send-key select') as HTMLSelectElement

beforeEach(async () => {
  localStorage.clear()
  await act(() => sendKey.choose('enter'))
})

describe('what sends', () => {
  const choose = async (key: string) => {
    sendKeyPicker().value = key
    await act(() => void sendKeyPicker().dispatchEvent(new Event('change', { bubbles: true })))
  }

  beforeEach(() => draw({ transcript: transcript([question('Why?'), answer(['So.'])]) }))

  test('is Enter, until Ctrl+Enter is preferred; then Enter is a new line', async () => {
    expect(all('.jdc-send-key option').map((option) => option.textContent)).toEqual(['Enter sends', 'Ctrl+Enter sends'])
    await type('One')
    await press('Enter')
    await choose('accel')
    await type('Two')
    expect((await press('Enter')).defaultPrevented).toBe(false)
    expect(did).toEqual(['send One'])
    expect(find('.jdc-send')?.title).toBe('Send (Ctrl+Enter)')
    expect((await press('Enter', { ctrlKey: true })).defaultPrevented).toBe(true)
    await type('Three')
    await press('Enter', { metaKey: true })
    expect(did).toEqual(['send One', 'send Two', 'send Three'])
  })

  test.each(['enter', 'accel'] as const)('is never Shift+Enter (%s)', async (key) => {
    await choose(key)
    await type('One')
    expect((await press('Enter', { shiftKey: true })).defaultPrevented).toBe(false)
    expect((await press('Enter', { shiftKey: true, ctrlKey: true })).defaultPrevented).toBe(false)
    expect(did).toEqual([])
  })

  test('is no Enter that ends a composed character, whatever the browser says of it', async () => {
    await type('にほ')
    expect((await press('Enter', { keyCode: 229 })).defaultPrevented).toBe(false)
    expect(did).toEqual([])
  })

  test('saves what is edited, too', async () => {
    await choose('accel')
    await click('button.jdc-edit')
    await type('Why not?', editor())
    await press('Enter', {}, editor())
    expect(did).toEqual([])
    expect(find('.jdc-save')?.title).toBe('Send (Ctrl+Enter)')
    await press('Enter', { ctrlKey: true }, editor())
    expect(did).toEqual(['retry q_t_1 Why not?'])
  })

  test('is what another tab has chosen', async () => {
    const key = 'jupyter-durable-chat:preference:send-key'
    localStorage.setItem(key, JSON.stringify({ value: 'accel', at: Date.now() }))
    await act(() => void dispatchEvent(new StorageEvent('storage', { key })))
    expect(sendKeyPicker().value).toBe('accel')
    localStorage.setItem(key, JSON.stringify({ value: 'nothing that there is' }))
    await act(() => void dispatchEvent(new StorageEvent('storage', { key })))
    expect(sendKeyPicker().value).toBe('enter')
  })
})

describe('Up in an empty input', () => {
  const asked = [question('Why?'), answer(['So.']), question('And?', 't_2'), answer(['So, too.'], {}, 't_2')]

  test('edits the last question, from where Down and Esc lead back', async () => {
    await draw({ transcript: transcript(asked) })
    for (const key of ['ArrowDown', 'Escape']) {
      input().focus()
      expect((await press('ArrowUp')).defaultPrevented).toBe(true)
      expect(editor().closest<HTMLElement>('.jdc-message')?.dataset['messageId']).toBe('q_t_2')
      expect(document.activeElement).toBe(editor())
      await press(key, {}, editor())
      expect(editor()).toBeNull()
      expect(document.activeElement).toBe(input())
    }
    expect(did).toEqual(['agents'])
  })

  test('edits what waits last, if something waits', async () => {
    await draw({ transcript: { ...running('Half'), queue: [waiting('w1', 'First'), waiting('w2', 'Second')] } })
    await press('ArrowUp')
    expect(editor().value).toBe('Second')
    await type('Changed', editor())
    await press('ArrowDown', {}, editor())
    expect(editor().value).toBe('Changed') // what was changed is not left by accident
    await press('Enter', {}, editor())
    expect(did).toEqual(['edit w2 Changed'])
  })

  test('does nothing where nothing can be edited, or something is written', async () => {
    await draw({ transcript: running('Half') })
    expect((await press('ArrowUp')).defaultPrevented).toBe(false)
    await draw({ transcript: transcript(asked) })
    await type('Wh')
    expect((await press('ArrowUp')).defaultPrevented).toBe(false)
    expect(editor()).toBeNull()
  })
})

describe('a draft', () => {
  const part = (name: string, mediaType: string) => ({ type: 'file' as const, mediaType, url: `attachment:${'b'.repeat(64)}`, filename: name })

  test('is there again, with what is stored already', async () => {
    URL.createObjectURL = () => 'blob:x'
    URL.revokeObjectURL = () => undefined
    taken.draft = { text: 'Half', files: [{ part: part('a.png', 'image/png'), size: 1200 }, { part: part('b.csv', 'text/csv'), size: 7 }] }
    await draw({ transcript: transcript([]) })
    expect(input().value).toBe('Half')
    expect(all('.jdc-attachment').map((item) => [item.dataset['state'], item.textContent])).toEqual([
      ['ready', 'a.png1.2 kB'],
      ['ready', 'b.csv7 B'],
    ])
    expect(did).toEqual([`fetch attachment:${'b'.repeat(64)}`])
    expect(find<HTMLImageElement>('.jdc-attachment img')?.src).toBe('blob:x')
    await press('Enter')
    expect(did.at(-1)).toContain('send Half [{')
    expect(taken.draft).toBeNull()
  })

  test('is kept while it is written, and given up when it is empty', async () => {
    await draw({ transcript: transcript([]) })
    expect(taken.draft).toBeNull()
    await type('Ha')
    expect(taken.draft).toEqual({ text: 'Ha', files: [], named: [], agent: null })
    await type('')
    expect(taken.draft).toBeNull()
  })

  test('that another tab keeps meanwhile is left alone until something is written here', async () => {
    await draw({ transcript: transcript([]) })
    taken.draft = { text: 'Elsewhere', files: [] }
    await draw({ transcript: transcript([question('Why?')]) })
    expect(taken.draft).toEqual({ text: 'Elsewhere', files: [] })
    expect(input().value).toBe('')
  })
})

describe('without a connection', () => {
  const outbox = [{ clientId: 'c_1', text: 'Later', error: null, delayed: true, edits: null }]

  test.each([
    ['a message', transcript([])],
    ['a message that will join the queue', running('Half')],
  ])('%s waits, and can be changed or discarded', async (_, transcript) => {
    await draw({ transcript, outbox, state: 'offline' })
    expect(find('[data-client-id="c_1"]')?.textContent).toBe('LaterWaits for the connectionEditDiscard')
    const [edit, discard] = all('.jdc-unsent .jdc-link')
    await act(() => edit?.click())
    expect(document.activeElement).toBe(editor())
    await type('Sooner', editor())
    await press('Enter', {}, editor())
    expect(did).toEqual(['amend c_1 Sooner'])
    expect(editor()).toBeNull()
    await act(() => (discard?.isConnected ? discard : all('.jdc-unsent .jdc-link')[1])?.click())
    expect(did.at(-1)).toBe('discard c_1')
  })

  test('a change of what was sent meanwhile is in the input', async () => {
    await draw({ transcript: transcript([]), outbox, state: 'offline' })
    await act(() => all('.jdc-unsent .jdc-link')[0]?.click())
    await type('Sooner', editor())
    await draw({ transcript: transcript([question('Later')]), outbox: [] })
    expect(input().value).toBe('Sooner')
  })
})

test('where one writes is not drawn again for what comes of an answer', async () => {
  const before = running('Half')
  await draw({ transcript: before })
  const drawn = vi.spyOn(en as typeof en & { message: string }, 'message', 'get')
  await draw({ transcript: { ...before, messages: running('Half an answer').messages } })
  expect(find('[data-role="assistant"] .jdc-text')?.textContent).toBe('Half an answer\n')
  expect(drawn).not.toHaveBeenCalled()
  await type('More')
  expect(drawn).toHaveBeenCalled()
  drawn.mockRestore()
})
