// @vitest-environment jsdom
/** The saved texts: the same as Python's, by the vectors; and HTML that stands alone. */

import fc from 'fast-check'
import { marked } from 'marked'
import { describe, expect, test } from 'vitest'
import vectors from '../../../tests/vectors/static/static.json'
import { withDefaults } from '../../src/restore'
import type { Transcript } from '../../src/transcript'
import { toHtml } from '../../src/view/html'
import { harmless } from '../../src/view/markup'
import { toMarkdown, toText } from '../../src/view/static'
import { answer, question, transcript } from './transcripts'

describe.each(vectors)('$name', (vector) => {
  const given = withDefaults(vector.transcript as unknown as Transcript)

  test('Markdown', () => expect(toMarkdown(given, vector.turn)).toBe(vector.markdown))
  test('plain text', () => expect(toText(given, vector.turn)).toBe(vector.plain))
  test('HTML', () => {
    const html = toHtml(given, vector.turn)
    const root = new DOMParser().parseFromString(html, 'text/html').body
    expect(html).not.toMatch(/<(?:script|link|iframe)|\sclass=|\son\w+=|data-jdc/)
    expect([...root.querySelectorAll('strong')].filter(({ textContent }) => textContent === 'You').length).toBe(
      (vector.markdown.match(/^\*\*You\*\*$/gm) ?? []).length,
    )
  })
})

test('HTML has Markdown, code, formulas as TeX, and no picture that would be fetched', () => {
  const text = '**b** $x^2$\n\n```python\nx < 1\n```\n\n![plot](https://plots.example/p.png)'
  const html = toHtml(transcript([question('a <b>\n c'), answer([text])]), null)
  const root = new DOMParser().parseFromString(html, 'text/html').body
  expect(html).toContain('a &lt;b&gt;\n c')
  expect(html).toContain('<strong>b</strong> <span>$x^2$</span>')
  expect(root.querySelector('pre')?.textContent).toBe('x < 1')
  expect(root.querySelector('img')).toBeNull()
  expect(root.textContent).toContain('plot')
})

const PIECES = [
  '`', '``', '```', '~~~', '!', '\\', '$', '<', '>', '|', 'a', '\n', '\n\n', '  ', '    ', '\t', '- ', '1. ', '> ', '| ` | ', '|---|---|\n',
  '![x](https://e.example/x)', '![x]', '\n[x]: https://e.example/x\n', '[a](', '](https://e.example)', '- ```', '\n  ```\n', '\n    ```\n',
  '<img src=https://e.example>', '<img\nsrc=x>', '<script>', '<https://e.example/`>', 'https://e.example/`', '<div>', '<!--',
]

test('Markdown fetches nothing in a viewer that believes it', () => {
  const texts = fc.array(fc.constantFrom(...PIECES), { maxLength: 16 }).map((pieces) => pieces.join(''))
  fc.assert(
    fc.property(texts, (text) => {
      expect(marked.parse(harmless(text))).not.toMatch(/<(?:img|script)|<!--/)
    }),
    { numRuns: 3000 },
  )
})

test.each(['![', '`', '<a ', '- ', '` ', '://`', '\\', '!', '```\n', '](', '\u202e'])('%j again and again is written soon', (piece) => {
  expect(harmless(piece.repeat(50_000))).not.toBe('')
})
