// @vitest-environment jsdom
/** What a screen reader says of a chat: beginning, sentences, waits and end, and only of the chat that one is in. */

import { act } from 'preact/test-utils'
import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import { draw, find, input } from './drawn'
import { answer, question, running, transcript } from './transcripts'

const QUESTION = question('Why?')
const TEXT = `The first sentence is here. ${'And words '.repeat(30)}end it. Then a third, and it is the last.`

/** What the live region has held, one after the other. */
let said: string[]

beforeEach(async () => {
  vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] })
  said = []
  await draw({ transcript: transcript([QUESTION]) })
  const region = find('.jdc-announcement') as HTMLElement
  const hear = () => void (region.textContent && said.push(region.textContent))
  new MutationObserver(hear).observe(region, { characterData: true, childList: true, subtree: true })
})

afterEach(() => void vi.useRealTimers())

/** An answer that grows by a few characters at a time, twenty times in a second. */
async function grow(text: string): Promise<void> {
  await draw({ transcript: running('') })
  await vi.dynamicImportSettled()
  for (let length = 5; length < text.length + 5; length += 5) {
    await draw({ transcript: running(text.slice(0, length)) })
    await act(() => void vi.advanceTimersByTime(50))
  }
}

const end = (text: string) => draw({ transcript: transcript([QUESTION, answer([{ type: 'text', text }])]) })

test('whole sentences of the chat that one is in', async () => {
  input().focus()
  await grow(TEXT)
  await end(TEXT)
  expect(find('.jdc-announcement')?.getAttribute('role')).toBe('status')
  expect(said[0]).toBe('Answering')
  expect(said[1]).toBe('The first sentence is here.')
  expect(said.slice(1).join(' ')).toBe(`${TEXT} Answer complete`)
  expect(said.length).toBeLessThan(5)
})

test('only beginning and end of one that one is not in', async () => {
  await grow(TEXT)
  await end(TEXT)
  expect(said).toEqual(['Answering', 'Answer complete'])
})

test('nothing of an answer that was there before', async () => {
  await end(TEXT)
  await end(`${TEXT} More.`)
  expect(said).toEqual([])
})

test('of an answer that is found half way, what comes', async () => {
  input().focus()
  await draw({ transcript: transcript([QUESTION]) })
  await grow('One. Two.')
  said = []
  await draw({ transcript: { ...running('One. Two. '), turn: { ...running('').turn!, id: 't_2', continues: true } } })
  await vi.dynamicImportSettled()
  await draw({ transcript: { ...running('One. Two. Three. Four'), turn: { ...running('').turn!, id: 't_2', continues: true } } })
  expect(said.at(-1)).toBe('Two. Three.')
})

test('two answers between two paints both end', async () => {
  await draw({ transcript: running('Half') })
  const { turn, messages } = running('')
  const next = answer([], {})
  delete next.metadata.outcome
  next.id = 'a_t_2'
  const first = answer([{ type: 'text', text: 'Half' }], { outcome: 'failed' })
  await draw({ transcript: transcript([QUESTION, first, { ...QUESTION, id: 'q_t_2' }, next], { status: 'streaming', turn: { ...turn!, id: 't_2', message_id: 'a_t_2' } }) })
  expect(messages).toHaveLength(2)
  expect(said.at(-1)).toBe('Answering')
})
