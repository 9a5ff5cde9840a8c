// @vitest-environment jsdom
/** A long session, of which only what is near is drawn. */

import { act } from 'preact/test-utils'
import { beforeEach, describe, expect, test } from 'vitest'
import type { UIMessage } from '../../src/transcript'
import { all, click, draw, find, open, press, type } from './drawn'
import { drawnIds, heights, layOut, place, position, resized, rest, scrollTo, WINDOW } from './layout'
import { answer, question, running, transcript } from './transcripts'

const TURNS = 60

function turns(count: number): UIMessage[] {
  return Array.from({ length: count }, (_, n) => [question(`Question ${n}?`, `${n}`), answer([`Answer ${n}.`], {}, `${n}`)]).flat()
}

const messages = turns(TURNS)
const long = transcript(messages)

beforeEach(async () => {
  layOut()
  await draw({ transcript: long })
})

test('it opens at its end, with little drawn', () => {
  expect(position().top).toBe(position().end)
  expect(drawnIds().at(-1)).toBe('a_59')
  expect(drawnIds().length).toBeLessThan(24)
  expect(all('.jdc-slot')).toHaveLength(2 * TURNS)
})

test('each says which of how many it is, though most are not there', () => {
  const place = (id: string) => ['aria-posinset', 'aria-setsize'].map((name) => find(`[data-message-id="${id}"]`)?.getAttribute(name))
  expect(find('[role="feed"]')).not.toBeNull()
  expect(place(messages.at(-1)?.id ?? '')).toEqual([`${messages.length}`, `${messages.length}`])
})

test('what is beside is drawn in idle time, and no more than that', async () => {
  await scrollTo(9_000)
  const before = drawnIds()
  await rest()
  const after = drawnIds()
  expect(after.length).toBeGreaterThan(before.length)
  expect(after.length).toBeLessThan(16)
  expect(place(after[0] ?? '')).toBeLessThan(-WINDOW / 2)
})

test('whoever goes there finds it drawn', async () => {
  await scrollTo(0)
  expect(drawnIds().slice(0, 2)).toEqual(['q_0', 'a_0'])
  await scrollTo(position().end / 2)
  expect(drawnIds()).not.toContain('q_0')
  expect(drawnIds().some((id) => place(id) < WINDOW && place(id) > -300)).toBe(true)
})

test('who goes there by keys finds it drawn in each frame, though browsers say so in the next one', async () => {
  const box = find('.jdc-scroll') as HTMLElement
  await press('PageUp', {}, box)
  box.scrollTop = 9_000
  await act(() => new Promise((resolve) => requestAnimationFrame(() => resolve())))
  expect(drawnIds().some((id) => place(id) > 0 && place(id) < WINDOW)).toBe(true)
})

test('what was in sight stays where it is while what is above it is drawn, as tall as it may be', async () => {
  for (const { id } of messages) heights.set(id, 777)
  await rest()
  for (let step = 0; step < 20; step += 1) {
    const seen = drawnIds().find((id) => place(id) >= 0) ?? ''
    const before = place(seen)
    await scrollTo(position().top - 100)
    expect(Math.round(place(seen))).toBe(Math.round(before + 100))
    await rest()
    expect(Math.round(place(seen))).toBe(Math.round(before + 100))
  }
})

test('so it does for who has just left the end, before the browser says so', async () => {
  const box = find('.jdc-scroll') as HTMLElement
  box.scrollTop -= 60
  const before = place('a_59')
  heights.set(drawnIds()[0] ?? '', 500)
  await resized()
  expect(place('a_59')).toBe(before)
})

test('what is read stays where it is when something above it changes its height', async () => {
  await scrollTo(9_000)
  await rest()
  const seen = drawnIds().find((id) => place(id) >= 0) ?? ''
  const [above] = drawnIds()
  const before = place(seen)
  heights.set(above ?? '', 900)
  await resized()
  expect(place(seen)).toBe(before)
})

test('the end is followed while a text grows, and after a person came back to it', async () => {
  const { turn, messages: live } = running('Half')
  const grow = async (height: number) => {
    heights.set('a_t_1', height)
    await draw({ transcript: transcript([...messages, ...live], { turn }) })
    await resized()
  }
  await grow(100)
  expect(position().top).toBe(position().end)
  await scrollTo(position().top - 3)
  await grow(300)
  expect(position().end - position().top).toBe(203)
  await scrollTo(position().end)
  await grow(500)
  expect(position().top).toBe(position().end)
})

test('while somebody holds the scrollbar, what is scrolled stays as long as it was', async () => {
  const box = find('.jdc-scroll') as HTMLElement
  const roll = box.firstElementChild as HTMLElement
  const mouse = (type: string, on: Element, clientX: number, buttons: number) =>
    act(() => void on.dispatchEvent(new MouseEvent(type, { bubbles: true, clientX, buttons })))
  await mouse('mousedown', box, 400, 1)
  await mouse('mousedown', roll, 805, 1)
  expect(roll.style.height).toBe('')
  const before = roll.getBoundingClientRect().height
  await mouse('mousedown', box, 805, 1)
  await draw({ transcript: transcript(turns(TURNS + 1)) })
  await mouse('mousemove', box, 805, 1)
  expect(roll.getBoundingClientRect().height).toBeGreaterThan(before)
  expect(roll.style.height).toBe(`${before}px`)
  await mouse('mousemove', document.body, 300, 0)
  expect(roll.style.height).toBe('')
  expect(position().top).toBe(position().end)
})

describe('new text below', () => {
  test('is offered when there is some, and goes when it is seen', async () => {
    const { turn, messages: live } = running('Half')
    const [asked, half] = live as [UIMessage, UIMessage]
    await draw({ transcript: transcript([...messages, ...live], { turn }) })
    await resized()
    await scrollTo(position().top - 500)
    await rest()
    await resized()
    expect(find('.jdc-below')).toBeNull()
    heights.set('a_t_1', 900)
    await draw({ transcript: transcript([...messages, asked, { ...half }], { turn }) })
    await resized()
    expect(find('.jdc-below')?.textContent).toContain('New text below')
    await scrollTo(position().end)
    expect(find('.jdc-below')).toBeNull()
  })

  test('leads to it from far away', async () => {
    const { turn, messages: live } = running('Half')
    const [asked, half] = live as [UIMessage, UIMessage]
    await draw({ transcript: transcript([...messages, ...live], { turn }) })
    await scrollTo(1000)
    heights.set('a_t_1', 900)
    await draw({ transcript: transcript([...messages, asked, { ...half }], { turn }) })
    await resized()
    await click('.jdc-below')
    expect(position().top).toBe(position().end)
    expect(find('.jdc-below')).toBeNull()
    expect(place('a_t_1') + 900).toBe(WINDOW)
  })
})

describe('what a person has to do with stays', () => {
  beforeEach(() => scrollTo(0))

  test('an editor, with what is written in it', async () => {
    await click('[data-message-id="q_0"] .jdc-edit')
    await type('Other', find<HTMLTextAreaElement>('.jdc-edit-input') as HTMLTextAreaElement)
    ;(document.activeElement as HTMLElement).blur()
    await scrollTo(20_000)
    expect(find<HTMLTextAreaElement>('.jdc-edit-input')?.value).toBe('Other')
    expect(drawnIds()).not.toContain('a_1')
  })

  test('what is focused, for as long as it is', async () => {
    find('[data-message-id="a_0"] .jdc-retry')?.focus()
    await scrollTo(20_000)
    expect(drawnIds()).toContain('a_0')
    ;(document.activeElement as HTMLElement).blur()
    await scrollTo(9_000)
    expect(drawnIds()).not.toContain('a_0')
  })

  test('what is selected, for as long as it is', async () => {
    const text = find('[data-message-id="a_0"] p') as Node
    document.getSelection()?.selectAllChildren(text)
    await scrollTo(20_000)
    expect(drawnIds()).toContain('a_0')
    document.getSelection()?.removeAllRanges()
    await scrollTo(9_000)
    expect(drawnIds()).not.toContain('a_0')
  })

  test('a fold that was opened', async () => {
    const thought = answer([{ type: 'reasoning', text: 'Hm' }, 'So.'], {}, '0')
    await draw({ transcript: transcript([messages[0] as UIMessage, thought, ...messages.slice(2)]) })
    find('.jdc-reasoning summary')?.click()
    await open('.jdc-reasoning')
    await scrollTo(20_000)
    expect(find('.jdc-reasoning')?.textContent).toContain('Hm')
  })
})

test('what is not drawn is as tall as it was', async () => {
  heights.set('a_0', 1234)
  await scrollTo(0)
  await scrollTo(20_000)
  expect(all('.jdc-slot')[1]?.style.height).toBe('1234px')
})

test('the text of what is not drawn can be searched for; found, it is drawn', async () => {
  const hidden = all('.jdc-slot')[1]?.firstElementChild
  expect(hidden?.getAttribute('hidden')).toBe('until-found')
  expect(hidden?.textContent).toContain('Answer 0.')
  await act(() => void hidden?.dispatchEvent(new Event('beforematch', { bubbles: true })))
  expect(drawnIds()[0]).toBe('a_0')
})

test('all of it is printed', async () => {
  await draw({ transcript: transcript(messages.slice(0, 40)) })
  window.dispatchEvent(new Event('beforeprint'))
  expect(drawnIds()).toHaveLength(40)
  await act(() => void window.dispatchEvent(new Event('afterprint')))
  expect(drawnIds().length).toBeLessThan(12)
})
