// @vitest-environment jsdom
/** Writing: what sends, what goes back to what was written, and what one is told meanwhile. */

import { act } from 'preact/test-utils'
import { beforeEach, describe, expect, test } from 'vitest'
import { sendKey } from '../../src/view/keys'
import { all, click, did, draw, editor, find, input, press, type } from './drawn'
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
    localStorage.setItem(key, '"accel"')
    await act(() => void dispatchEvent(new StorageEvent('storage', { key })))
    expect(sendKeyPicker().value).toBe('accel')
    localStorage.setItem(key, '"nothing that there is"')
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
