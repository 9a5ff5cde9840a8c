/** What time it is for the server, from what its responses say. */

import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import { Clock } from '../../src/connection/clock'

const NOON = Date.parse('2026-11-20T12:00:00.000Z')
const date = (at: number) => new Date(at).toUTCString()

beforeEach(() => vi.useFakeTimers({ now: NOON }))
afterEach(() => vi.useRealTimers())

test('the page is believed until somebody speaks against it', () => {
  const clock = new Clock()
  expect(clock.now()).toBe(NOON)
  clock.hear(null, NOON)
  clock.hear('noon', NOON)
  clock.hear(date(NOON - 400), NOON - 300)
  clock.hear(date(NOON), NOON - 300)
  expect(clock.now()).toBe(NOON)
})

test.each([5 * 60_000, -5 * 60_000, 1500, -1500])('a page whose clock is %d ms off gets it right within a second', (off) => {
  const clock = new Clock()
  for (const wait of [0, 310, 420, 130, 350]) {
    const sent = Date.now()
    vi.advanceTimersByTime(40 + wait)
    clock.hear(date(Date.now() - 20 + off), sent)
    expect(Math.abs(clock.now() - Date.now() - off)).toBeLessThan(1000)
  }
  expect(Math.abs(clock.now() - Date.now() - off)).toBeLessThan(500)
})

test('a clock that is set is heard anew', () => {
  const clock = new Clock()
  clock.hear(date(NOON + 60_000), NOON - 20)
  clock.hear(date(NOON), NOON - 20)
  expect(clock.now()).toBe(NOON)
})
