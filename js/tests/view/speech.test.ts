/** An answer as it is heard: in whole sentences, never in tokens, and never more at once than one can listen to. */

import fc from 'fast-check'
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest'

import { Ear, Speech } from '../../src/view/speech'
import { documents } from './documents'

const heard = (source: string, over = false) => new Ear().hear(source, over)

describe('what is heard of a text', () => {
  test.each<[string, string, string[]]>([
    ['a sentence that may go on', 'It is 3.', []],
    ['a sentence behind which another begins', 'It is 3.5 m. And', ['It is 3.5 m.']],
    ['lines that belong together', 'One sentence on\ntwo lines. Two', ['One sentence on two lines.']],
    ['a paragraph that is over', 'No end\n\n', ['No end']],
    ['a heading and what follows', '## The *end*\nof', ['The end']],
    ['a heading that is underlined', 'The end\n---\nof', ['The end']],
    ['items', '- first\n- **second**: x\n1. third', ['first', 'second: x']],
    ['a quotation over two lines', '> It is\n> so. But', ['It is so.']],
    ['a task', '- [x] Read it.\n- [ ] Write', ['Read it.']],
    ['a footnote', '[^1]: See there.\n\n', ['See there.']],
    ['half a fence', 'So:\n\n``', ['So:']],
    ['code that goes on', 'So:\n\n```python\na. b\nc\n', ['So:']],
    ['code that is over', 'So:\n\n```python\na. b\nc\n```\nAnd', ['So:', 'Code in python, 2 lines.']],
    ['code of no language', '~~~\na\n~~~\n', ['Code, 1 line.']],
    ['a table that goes on', '| a | b |\n|---|---|\n| 1 | 2 |\n', []],
    ['a table that is over', '| a | b |\n|---|---|\n| 1 | 2 |\n\nAnd', ['Table with 1 row.']],
    ['a formula by itself', '$$\nx. y\n$$\nAnd', ['A formula.']],
    ['a formula in one line', '\\[ x \\]\nAnd', ['A formula.']],
    ['a formula in a sentence', 'Here $x^2. y$ is small. And', ['Here formula is small.']],
    ['prices', 'It costs $5. That is $1 less. And', ['It costs $5.', 'That is $1 less.']],
    ['code in a sentence', 'Call `a_b. c` now. And', ['Call a_b. c now.']],
    ['code in a sentence that is open', 'Good. Call `a. b', ['Good.']],
    ['names', 'Use days_to_ship, 2*3 and __init__. And', ['Use days_to_ship, 2*3 and init.']],
    ['a link', 'See [the docs](https://a.org/b.c) now. And', ['See the docs now.']],
    ['half a link', 'Good. See [the docs. All](https://a.org/x. y', ['Good.']],
    ['an address', 'See https://docs.a.org/b/c?d=e#f now. And', ['See docs.a.org now.']],
    ['a tag', 'Press <kbd>Esc</kbd> now. And', ['Press Esc now.']],
    ['a question in quotes', 'He said "why?" Then', ['He said "why?"']],
    ['Chinese', '好的。这是', ['好的。']],
    ['rules and blank lines', '\n\n---\n\n***\n', []],
  ])('%s', (_, source, sentences) => {
    expect(heard(source)).toEqual(sentences)
  })

  test('what is left, once nothing follows', () => {
    expect(heard('It is 3.', true)).toEqual(['It is 3.'])
    expect(heard('```\na', true)).toEqual(['Code, 1 line.'])
    expect(heard('| a |', true)).toEqual(['Table with 0 rows.'])
    expect(heard('Half `a. b', true)).toEqual(['Half `a.', 'b'])
  })

  test('is the same in whatever pieces it comes', () => {
    fc.assert(
      fc.property(documents, fc.array(fc.nat(40), { maxLength: 30 }), (source, steps) => {
        const ear = new Ear()
        const pieces: string[] = []
        let at = 0
        for (const step of steps) pieces.push(...ear.hear(source.slice(0, (at += step)), false))
        pieces.push(...ear.hear(source, true))
        expect(pieces).toEqual(heard(source, true))
      }),
      { numRuns: 500 },
    )
  })
})

describe('what is said of an answer', () => {
  const said: string[] = []
  let listens = true
  let speech: Speech

  beforeEach(() => {
    vi.useFakeTimers()
    said.length = 0
    listens = true
    speech = new Speech((text) => said.push(text), () => listens)
  })
  afterEach(() => {
    speech.stop()
    vi.useRealTimers()
  })

  /** The text grows by a word at a time, so many in a second. */
  function grow(text: string, perSecond: number): void {
    let source = ''
    for (const word of text.split(/(?<=\s)/)) {
      source += word
      speech.hear(source)
      vi.advanceTimersByTime(1000 / perSecond)
    }
  }

  const SENTENCES = Array.from({ length: 200 }, (_, n) => `This is sentence number ${n} of many.`)

  test('whole sentences, each once and in order, then its end', () => {
    grow(SENTENCES.slice(0, 10).join(' '), 3)
    speech.end('Answer complete')
    expect(said.join(' ')).toBe(`${SENTENCES.slice(0, 10).join(' ')} Answer complete`)
    for (const text of said) expect(text).toMatch(/^This is .*(?:many\.|complete)$/)
    expect(said.length).toBeLessThanOrEqual(11)
  })

  test('is not more than one can listen to, however fast it comes', () => {
    const began = Date.now()
    grow(SENTENCES.join(' '), 200)
    speech.end('Answer complete')
    const seconds = (Date.now() - began) / 1000
    expect(said.join('').length).toBeLessThan(25 * seconds + 1000)
    expect(said.at(-1)).toMatch(/^Answer complete\. \d+ more sentences are in the chat\.$/)
    expect(SENTENCES.join(' ')).toContain(said.slice(0, -1).join(' '))
  })

  test('a sentence is said though nothing follows it for long', () => {
    speech.hear('It')
    speech.hear('It waits.\n\n')
    expect(said).toEqual([])
    vi.advanceTimersByTime(1000)
    expect(said).toEqual(['It waits.'])
    vi.advanceTimersByTime(1000)
    expect(vi.getTimerCount()).toBe(0)
  })

  test('what came while the person was elsewhere is not made up for', () => {
    listens = false
    grow('One. Two. Three. ', 1)
    listens = true
    grow('One. Two. Three. Four. Five. ', 100)
    vi.advanceTimersByTime(5000)
    expect(said.join(' ')).not.toContain('One.')
    listens = false
    speech.end('Answer complete')
    expect(said.at(-1)).toBe('Answer complete')
  })

  test('what was there before is not said', () => {
    speech.skip('One. Two. Th')
    speech.hear('One. Two. Three. Fo')
    expect(said).toEqual(['Three.'])
  })
})
