// @vitest-environment jsdom
/** A growing text: the same nodes as a full parse whatever the pieces, and blocks that stay once they are closed. */

import fc from 'fast-check'
import { beforeAll, describe, expect, test } from 'vitest'
import { dress, finish, reading } from '../../src/view/dress'
import { blocks, cut, noLinks, settled } from '../../src/view/markdown'
import { languages } from '../../src/view/highlight'
import { temml } from '../../src/view/math'
import { mend } from '../../src/view/mend'
import { sanitize } from '../../src/view/sanitize'
import { MarkdownStream } from '../../src/view/stream'
import { cutDocuments, documents } from './documents'

beforeAll(() => Promise.all([temml.load(), languages.load(), reading.load()]))

/** The tree as text. The order of attributes, which tells what a node was before, is no part of it. */
function tree(root: Element): string {
  for (const element of root.querySelectorAll('*')) {
    const attributes = [...element.attributes].sort((a, b) => (a.name < b.name ? -1 : 1))
    for (const attribute of attributes) element.removeAttributeNode(attribute)
    for (const attribute of attributes) element.setAttributeNode(attribute)
  }
  return root.innerHTML
}

/** What a full parse of the text at once draws. */
function parsed(text: string): string {
  const root = document.createElement('div')
  for (const { html } of blocks(text, noLinks(), 'whole')) root.append(dress(sanitize(html)))
  for (const child of root.children) finish(child)
  return tree(root)
}

function growing(text = '') {
  const root = document.createElement('div')
  const stream = new MarkdownStream(root)
  const write = (more: string) => stream.update((text += more), false)
  const end = () => stream.update(text, true)
  if (text) write('')
  return { root, write, end }
}

test('the end is the full parse, wherever the text was cut', () => {
  fc.assert(
    fc.property(cutDocuments, ([text, cuts]) => {
      const root = document.createElement('div')
      const stream = new MarkdownStream(root)
      for (const cut of cuts) stream.update(text.slice(0, cut), false)
      stream.update(text, true)
      expect(tree(root)).toBe(parsed(text))
    }),
    { numRuns: 30 },
  )
}, 60_000)

test('the pieces of a text have the blocks of the whole', () => {
  fc.assert(
    fc.property(documents, (text) => {
      const source = text.replace(/\r\n?/g, '\n')
      const { pieces, links } = cut(source, 1) ?? { pieces: [], links: noLinks() }
      expect(pieces.join('')).toBe(source)
      const html = pieces.flatMap((piece) => blocks(piece, links, 'whole').map(({ html }) => html))
      expect(html).toEqual(blocks(source, noLinks(), 'whole').map(({ html }) => html))
    }),
    { numRuns: 300 },
  )
}, 60_000)

describe('a long text that is complete', () => {
  const prose = 'And so it goes on, word by word. '.repeat(60)
  const sections = Array.from({ length: 24 }, (_, n) => `## Section ${n}.\n\nSome [words][ref] of it, and $x_${n}$:\n\n- one\n- two\n\n${prose}`)
  const text = [...sections, '[ref]: https://example.org/ref'].join('\n\n')
  const long = () => {
    const root = document.createElement('div')
    const stream = new MarkdownStream(root)
    stream.update(text, true)
    return { root, stream }
  }

  test('is drawn from its ends, and then the rest of it', async () => {
    const { root } = long()
    expect(root.textContent).toContain('Section 0.')
    expect(root.textContent).toContain('Section 23.')
    expect(root.textContent).not.toContain('Section 12.')
    await expect.poll(() => sections.every((_, n) => root.textContent?.includes(`Section ${n}.`)), { timeout: 8000 }).toBe(true)
    expect(tree(root)).toBe(parsed(text))
  })

  test('is whole at once when it goes on, and drawn no further when nobody needs it', () => {
    const { root, stream } = long()
    const first = root.firstElementChild
    stream.update(`${text}\n\nMore`, false)
    stream.update(`${text}\n\nMore.`, true)
    expect(tree(root)).toBe(parsed(`${text}\n\nMore.`))
    expect(root.firstElementChild).toBe(first)
    const other = long()
    other.stream.stop()
    expect(other.root.querySelector(':scope > div:not([class])')).toBeNull()
  })
})

test('a block is what it is in the whole text', () => {
  fc.assert(
    fc.property(documents, (text) => {
      const links = noLinks()
      const together = blocks(text, links, 'whole')
      const alone = together.map(({ raw }) => blocks(raw, Object.assign(noLinks(), links), 'whole').map(({ html }) => html).join(''))
      expect(alone).toEqual(together.map(({ html }) => html))
    }),
    { numRuns: 1000 },
  )
}, 60_000)

test.each(['</details>\n    x = 1\n---\n', '- a\n      x\n---\n', '</details>\n    x | y\n:-:|---\n'])('a block is no table that is none: %j', (text) => {
  const together = blocks(text, noLinks(), 'whole')
  expect(together.flatMap(({ raw }) => blocks(raw, noLinks(), 'whole')).map(({ html }) => html)).toEqual(together.map(({ html }) => html))
})

test('what is closed stays as it is', () => {
  fc.assert(
    fc.property(documents, (raw) => {
      const text = raw.replaceAll('\r', '')
      const links = noLinks()
      const whole = blocks(text, links, 'whole').map(({ html }) => html)
      const closed: string[] = []
      let end = 0
      for (let at = text.indexOf('\n'); at >= 0; at = text.indexOf('\n', at + 1)) {
        const { length } = settled(text.slice(end, at + 1))
        const slice = text.slice(end, (end += length))
        closed.push(...blocks(slice, Object.assign(noLinks(), links), 'whole').map(({ html }) => html))
      }
      expect(closed).toEqual(whole.slice(0, closed.length))
    }),
    { numRuns: 2000 },
  )
}, 60_000)

describe('a long text that has grown', () => {
  const prose = 'And so it goes on, word by word. '.repeat(60)
  const sections = Array.from({ length: 14 }, (_, n) => `## Section ${n}.\n\nSome [words] of it, *many*:\n\n- one\n- two\n\n${prose}`)
  // Which block names it is not seen before the whole text is parsed.
  const text = ['> It is [many\n> words], and some.', ...sections, 'The end', '[words]: https://example.org/a', '[many words]: https://example.org/b'].join('\n\n')
  const grown = () => {
    const root = document.createElement('div')
    const stream = new MarkdownStream(root)
    for (let length = 0; length < text.length - 80; length += 5000) stream.update(text.slice(0, length), false)
    stream.update(text, true)
    return { root, stream }
  }

  test('is there to its end at once, and is soon what it is as a whole', async () => {
    const { root } = grown()
    const second = root.children[1]
    expect(root.lastElementChild?.textContent).toBe('The end')
    expect(root.querySelector('p a')?.getAttribute('href')).toBe('https://example.org/a')
    expect(root.querySelector('blockquote a')).toBeNull()
    await expect.poll(() => root.querySelector('blockquote a')?.getAttribute('href'), { timeout: 8000 }).toBe('https://example.org/b')
    expect(tree(root)).toBe(parsed(text))
    expect(root.children[1]).toBe(second)
  })

  test('goes on as it is, and is looked through no further when nobody needs it', async () => {
    const { root, stream } = grown()
    stream.update(`${text}\n\nMore`, false)
    const other = grown()
    other.stream.stop()
    const last = grown()
    await expect.poll(() => last.root.querySelector('blockquote a'), { timeout: 8000 }).not.toBeNull()
    for (const left of [root, other.root]) expect(left.querySelector('blockquote a')).toBeNull()
    stream.update(`${text}\n\nMore.`, true)
    expect(root.lastElementChild?.textContent).toBe('More.')
    await expect.poll(() => tree(root), { timeout: 8000 }).toBe(parsed(`${text}\n\nMore.`))
  })
})

describe('while it grows', () => {
  test('failure 15: an unfinished last line is visible', () => {
    const { root, write } = growing('# Title\n\nSome te')
    expect(root.textContent).toBe('Title\nSome te\n')
    write('xt')
    expect(root.textContent).toBe('Title\nSome text\n')
  })

  test('closed blocks keep their nodes', () => {
    const { root, write, end } = growing('One.\n\n- a\n- b\n\nTwo.')
    const [one, list] = root.children
    write(' More.\n\nThree')
    write(' and four.\n\n```js\nx\n```\n\nEnd')
    end()
    expect([root.children[0], root.children[1]]).toEqual([one, list])
  })

  test('the open block keeps what has not changed', () => {
    const { root, write } = growing('- alpha\n- beta')
    const [alpha] = root.querySelectorAll('li')
    const text = root.querySelectorAll('li')[1]?.firstChild
    write(' gamma')
    expect(root.querySelectorAll('li')[0]).toBe(alpha)
    expect(root.querySelectorAll('li')[1]?.firstChild).toBe(text)
    expect(text?.textContent).toBe('beta gamma')
  })

  test('failure 15: a fence of any info shows its code, plain until it is closed', () => {
    for (const [info, language] of [['c++', 'c++'], ['js title="x"', 'js'], ['{r}', 'r'], ['', null]] as const) {
      const { root, write, end } = growing(`\`\`\`${info}\nint x = 1;`)
      const code = root.querySelector('code')
      expect(code?.textContent).toBe('int x = 1;')
      expect(root.querySelector('[data-lang]')?.getAttribute('data-lang') ?? null).toBe(language)
      write('\nreturn "x";\n```\n\nafter')
      end()
      expect(root.querySelector('code')).toBe(code)
      expect(code?.textContent).toBe('int x = 1;\nreturn "x";')
      expect(code?.querySelectorAll('.jdc-hl-string').length).toBe(language ? 1 : 0)
    }
  })

  test('failure 15: mathematics stays set when later text comes', () => {
    const { root, write, end } = growing('So $a^2$ and \\(b\\):\n$$\nc')
    expect(root.querySelectorAll('math').length).toBe(2)
    expect(root.textContent).toContain('$$\nc')
    write('\n= d\n$$\n\n\\[ e')
    expect(root.querySelectorAll('math').length).toBe(3)
    const set = [...root.querySelectorAll('math')]
    write(' \\]\n\nand\n\n- $f$\n\nmore')
    end()
    expect([...root.querySelectorAll('math')].slice(0, 3)).toEqual(set)
    expect(root.querySelectorAll('math').length).toBe(5)
  })

  test('prices are no mathematics', () => {
    expect(growing('It costs $5 or $10, and then $6; $HOME and $USER are set.').root.querySelector('.jdc-math')).toBeNull()
  })

  test('a definition draws the blocks that name it again, and no others', () => {
    const { root, write } = growing('See [the docs][d] and [^1].\n\nOther [brackets].\n\nEnd.\n\n')
    const [, other] = root.children
    expect(root.querySelector('a')).toBeNull()
    write('[D]: https://docs.example\n\n[^1]: A note.\n\nx\n\n')
    expect(root.querySelector('a')?.href).toBe('https://docs.example/')
    expect(root.querySelector('p sup')?.textContent).toBe('1')
    expect(root.children[1]).toBe(other)
  })

  test('a text that is not a continuation is drawn anew', () => {
    const root = document.createElement('div')
    const stream = new MarkdownStream(root)
    stream.update('One.\n\nTwo.\n\nThree.', false)
    stream.update('Other.\n\nText.', false)
    expect(root.textContent).toBe('Other.\nText.\n')
  })
})

test.each([
  ['**bol', '**bol**'],
  ['a **bold** and *it', 'a **bold** and *it*'],
  ['a **bold*', 'a **bold**'],
  ['a **b *c', 'a **b *c***'],
  ['a `cod', 'a `cod`'],
  ['a ``co`d', 'a ``co`d``'],
  ['**a `cod', '**a `cod`**'],
  ['a `', 'a '],
  ['a **', 'a '],
  ['snake_case and 2 * 3', 'snake_case and 2 * 3'],
  ['`**` and $a*b$', '`**` and $a*b$'],
  ['~~no', '~~no~~'],
  ['see [the docs](https://exam', 'see the docs'],
  ['done [a](b) **', 'done [a](b) '],
  ['one\n-', 'one\n'],
  ['one\n2.', 'one\n'],
  ['one\n``', 'one\n'],
  ['42', '42'],
])('half a line %j is drawn as %j', (line, drawn) => expect(mend(line)).toBe(drawn))
