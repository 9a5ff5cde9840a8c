/** A tone is heard or not, and leaves nothing behind either way. */

import { afterEach, expect, test, vi } from 'vitest'

import { play } from '../src/tone'

afterEach(() => {
  vi.unstubAllGlobals()
  vi.useRealTimers()
})

test('where a browser plays nothing, nothing is thrown', () => {
  vi.stubGlobal('AudioContext', undefined)
  expect(() => play('done')).not.toThrow()
})

test('a tone that a browser holds back is given up', () => {
  vi.useFakeTimers()
  const begun: number[] = []
  const closed = vi.fn(() => Promise.resolve())
  // Its time stands still, and nothing of it ends.
  vi.stubGlobal('AudioContext', class { state = 'suspended'; currentTime = 0; destination = {}; close = closed })
  class Node {
    gain = { setValueAtTime() {}, linearRampToValueAtTime() {}, exponentialRampToValueAtTime() {} }
    connect = (next: unknown) => next
    start = (at: number) => begun.push(at)
    stop() {}
  }
  vi.stubGlobal('OscillatorNode', Node)
  vi.stubGlobal('GainNode', Node)
  play('waiting')
  expect(begun.length).toBe(2)
  expect(closed).not.toHaveBeenCalled()
  vi.runAllTimers()
  expect(closed).toHaveBeenCalledOnce()
})
