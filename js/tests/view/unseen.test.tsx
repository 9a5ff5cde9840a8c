// @vitest-environment jsdom
/** What nobody sees is shown where every character counts, and copied as it is. */

import { beforeAll, beforeEach, expect, test, vi } from 'vitest'
import type { Part } from '../../src/transcript'
import { languages } from '../../src/view/highlight'
import { MarkdownStream } from '../../src/view/stream'
import { all, draw, find, open } from './drawn'
import { answer, question, transcript } from './transcripts'

beforeAll(() => languages.load())
beforeEach(() => document.body.replaceChildren())

/** Of a Markdown text: what is drawn, and the names that are shown in it. */
function drawn(text: string): { root: HTMLElement; names: (string | undefined)[] } {
  const root = document.createElement('div')
  document.body.append(root)
  const stream = new MarkdownStream(root)
  for (let end = 1; end < text.length; end += 3) stream.update(text.slice(0, end), false)
  stream.update(text, true)
  return { root, names: [...root.querySelectorAll<HTMLElement>('.jdc-invisible')].map(({ dataset }) => dataset['jdcInvisible']) }
}

const TROJAN = 'if access != "user\u202e \u2066# admin\u2069 \u2066": pass  # \u200b'

test('code shows what turns it around, says so below, and is copied as it is', async () => {
  const { root, names } = drawn(`\`\`\`python\n${TROJAN}\n\`\`\``)
  expect(names).toEqual(['U+202E', 'U+2066', 'U+2069', 'U+2066', 'U+200B'])
  expect(root.querySelector('code')?.textContent).toBe(TROJAN)
  expect(root.querySelector('.jdc-invisible-note')?.textContent).toContain('U+202E, U+2066, U+2069, U+200B')
  expect(root.querySelector('[class^="jdc-hl"], code span:not(.jdc-invisible)')).not.toBeNull() // it has its colours, too
})

test.each([
  ['`a\u200fb`', ['U+200F']],
  ['[bank\u202e](https://a.example)', ['U+202E']],
  ['[b\u2066ank](https://a.example)', ['U+2066']],
  ['prose \u202e turned', ['U+202E']],
  ['a\u{e0069}\u{e0067}b', ['U+E0069 +1']],
  ['\u05d0\u200f (\u05d1) \u2067\u05d2\u2069', []],
  ['`\u{1f468}\u200d\u{1f469}` \u2764\ufe0f `\u0915\u094d\u200d\u0937` soft\u00adhyphen', []],
  ['plain `code` $x$', []],
])('%j', (text, expected) => expect(drawn(text).names).toEqual(expected))

test('what begins where its text begins finds that by itself, a table with all of its place', () => {
  const { root } = drawn('- \u05d0\n\n> \u05d0\n\n| \u05d0 |\n|---|\n| b |')
  expect([...root.querySelectorAll('[dir=auto]')].map(({ localName, className }) => className || localName)).toEqual(['ul', 'blockquote', 'jdc-table'])
})

test('a call shows it in its name, arguments, result and error, and a file in its name', async () => {
  vi.stubGlobal('alert', () => undefined)
  const call = (toolCallId: string, more: object): Part => ({ type: 'dynamic-tool', toolName: 'run\u202e', toolCallId, state: 'output-available', input: {}, ...more }) as Part
  const parts: Part[] = [
    call('c_1', { input: { code: TROJAN, language: 'python', 'k\u200b': ['v\u2066', { deep: '\u2067' }] }, output: 'out\u2068' }),
    call('c_2', { state: 'output-error', errorText: 'no\u202d' }),
    call('c_3', { output: [{ a: '\u202a', b: 1 }, { a: 'x', b: 2 }] }),
    { type: 'file', mediaType: 'text/plain', url: `attachment:${'a'.repeat(64)}`, filename: 'photo\u202egpj.exe' },
  ]
  await draw({ transcript: transcript([question('x'), answer(parts, { outcome: 'completed' })]), state: 'static', actions: null })
  for (let rounds = 0; rounds < 4 && find('details:not([open])'); rounds++) {
    for (const details of all('details:not([open])')) {
      details.setAttribute('data-here', '')
      await open('details[data-here]')
      details.removeAttribute('data-here')
    }
  }
  const names = new Set((all('.jdc-invisible') as HTMLElement[]).map(({ dataset }) => dataset['jdcInvisible']))
  for (const name of ['U+202E', 'U+200B', 'U+2066', 'U+2067', 'U+2068', 'U+202D', 'U+202A']) expect(names, name).toContain(name)
  expect(find('.jdc-chip .jdc-invisible')?.closest('.jdc-chip')?.textContent).toBe('photo\u202egpj.exe')
})
