// @vitest-environment jsdom
/** The saved texts: the same as Python's, by the vectors; and HTML that stands alone. */

import { describe, expect, test } from 'vitest'
import vectors from '../../../tests/vectors/static/static.json'
import { withDefaults } from '../../src/restore'
import type { Transcript } from '../../src/transcript'
import { toHtml } from '../../src/view/html'
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
