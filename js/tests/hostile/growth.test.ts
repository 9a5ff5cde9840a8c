// @vitest-environment jsdom
/**
 * What somebody means harm by costs no more than its length. A text eight times as long may take eight times as long, and some more,
 * where the square would be sixty-four; what takes next to no time is not measured, and what seems slow is measured again.
 */

import { expect, test } from 'vitest'
import { blocks, cut, noLinks, settled } from '../../src/view/markdown'
import { harmless } from '../../src/view/markup'
import { mend } from '../../src/view/mend'
import { Ear } from '../../src/view/speech'
import { pieces } from '../../src/view/unseen'

const PIECES = [
  ...['$', '$ ', '$a$', '$$', 'a$', '$\n', '\\(', '\\[', '`', '`a', '*', 'a*', '*a', '_a ', '~~', '[', '[[', '[a', '![', '![a](', '[^a]'],
  ...['<', '<a ', '</', '<!--', '<https://', '&', '|', '| |\n', '--\n', '=\n', '- ', '- - ', '1. ', '> ', '#', 'x\n', '\n\n', '\n ', '    x\n'],
  ...['www.', 'a@a', 'a.', '/*', '${', '\\', '\u200d', '\u202e', 'a\u0301', ' ', '\t', '- a\n  ', '. ', '[a]: b\n', '[^a]: b\n'],
]
const [SHORT, TIMES, MOST, UNNOTICED] = [1500, 8, 24, 40]

const READ: Record<string, (text: string) => unknown> = {
  'a whole text': (text) => blocks(text, noLinks(), 'whole'),
  'a growing text': (text) => blocks(text, noLinks(), 'growing'),
  'what of it is settled': settled,
  'a long text in pieces': (text) => cut(text, 2000),
  'its last line': mend,
  'what is saved': harmless,
  'what is not seen': pieces,
  'what is heard': (text) => new Ear().hear(text, true),
  'what is heard so far': (text) => new Ear().hear(text, false),
}

function milliseconds(read: (text: string) => unknown, text: string): number {
  // Of this process, whatever else runs on the machine.
  const began = process.cpuUsage()
  read(text)
  const { user, system } = process.cpuUsage(began)
  return (user + system) / 1000
}

test.each(Object.keys(READ))('no text takes the square of its length: %s', { timeout: 60_000 }, (name) => {
  const read = READ[name]!
  const slow = PIECES.flatMap((piece) =>
    ['', '[x'].flatMap((begin) => {
      const [short, long] = [SHORT, SHORT * TIMES].map((size) => `${begin}${piece.repeat(size / piece.length)}!\n`) as [string, string]
      if (milliseconds(read, long) <= UNNOTICED) return []
      const best = (text: string) => Math.min(...Array.from({ length: 5 }, () => milliseconds(read, text)))
      const [took, before] = [best(long), best(short)]
      return took <= Math.max(UNNOTICED, MOST * before) ? [] : [`${JSON.stringify(begin + piece)}: ${before} ms, then ${took} ms`]
    }),
  )
  expect(slow).toEqual([])
})

test('in a paragraph that nobody writes no marks are looked for', () => {
  const [long, short] = [6000, 4000].map((length) => blocks(`${'x'.repeat(length)} **a** <b>`, noLinks(), 'whole')[0]?.html)
  expect(short).toContain('<strong>a</strong>')
  expect(long).toMatch(/x \*\*a\*\* &lt;b&gt;<\/p>\n$/)
})
