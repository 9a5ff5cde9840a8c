// @vitest-environment jsdom
/** When things are drawn. */

import { beforeEach, expect, test, vi } from 'vitest'
import { onNextFrame } from '../src/frames'

let frames: FrameRequestCallback[] = []

beforeEach(() => {
  frames = []
  vi.stubGlobal('requestAnimationFrame', (frame: FrameRequestCallback) => frames.push(frame))
})

/** The browser draws, at this time. */
function draw(at: number): void {
  for (const frame of frames.splice(0)) frame(at)
}

function press(at: number): void {
  dispatchEvent(Object.defineProperty(new Event('keydown'), 'timeStamp', { value: at }))
}

test('the frame of a letter has nothing else in it; the next one has, whatever else is typed', () => {
  const paint = vi.fn()
  press(1000)
  onNextFrame(paint)
  draw(1010)
  expect(paint).not.toHaveBeenCalled()
  press(1015)
  draw(1026)
  expect(paint).toHaveBeenCalledOnce()
})

test('where nobody types, it is the next frame', () => {
  const paint = vi.fn()
  press(1000)
  onNextFrame(paint)
  draw(1040)
  expect(paint).toHaveBeenCalledOnce()
})

test('what is taken back is not drawn in the frame after a letter either', () => {
  const cancelled: number[] = []
  vi.stubGlobal('cancelAnimationFrame', (frame: number) => cancelled.push(frame))
  press(1000)
  const cancel = onNextFrame(() => undefined)
  draw(1010)
  cancel()
  expect(cancelled).toEqual([frames.length])
})
