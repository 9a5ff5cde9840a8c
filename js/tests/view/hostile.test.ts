// @vitest-environment jsdom
/** Texts that are meant to take long, or all of the stack. */

import { expect, test } from 'vitest'
import { MarkdownStream } from '../../src/view/stream'

const SIZE = 5_000

test.each([
  '[', '![', '[a](', '[^a]', '[^a]: x\n', '$', '$a ', '$$\nx\n', 'x\n$$ y\n', '\\(', '\\[ ', '**a ', '*a', '_a ', '~~a',
  '`a', '<', '<b', '<b>', '<!--', '<a href="', '> ', '>', '- ', '1. ', '* * ', '  - a\n', '|a', '| a |\n|-|\n', 'x\n\n',
  '      x', '\n ', 'x\n-', '&#x', '\\', 'http://a', 'a@b.',
])('%j again and again is drawn', (piece) => {
  const text = `word ${piece.repeat(Math.ceil(SIZE / piece.length))}\n\n${piece.repeat(Math.ceil(SIZE / piece.length))}`
  const root = document.createElement('div')
  const stream = new MarkdownStream(root)
  stream.update(text, false)
  stream.update(text, true)
  expect(root.textContent).toContain('word')
}, 20_000)
