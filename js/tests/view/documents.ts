/** Markdown as models write it, generated: every construct of the dialect, in any order, and cuts at random. */

import fc from 'fast-check'

const word = fc.constantFrom(
  'alpha', 'the', 'mean', 'of', 'x_1', 'is', '**bold**', '*it*', '`code`', '`a|b`', '$x^2$', '\\(a_b\\)', '~~no~~',
  '[site](https://example.org/a_b)', '[ref]', '[text][ref]', '[^n]', '<b>b</b>', 'List<String>', '<script>', 'é世界👩🏽‍🔬',
  'https://example.org', '$5', '2 * 3', '\\*', '&amp;', '![pic](https://example.org/p.png)', '[', '](', '**', '`', '$',
  '<', '<br>', '_', '\\(', '!['
)
const words = fc.array(word, { minLength: 1, maxLength: 8 }).map((list) => list.join(' '))
const lines = (line: fc.Arbitrary<string>, prefix: string) =>
  fc.array(line, { minLength: 1, maxLength: 4 }).map((list) => list.map((text) => prefix + text).join('\n'))

const code = fc.tuple(
  fc.constantFrom('```', '````', '~~~'),
  fc.constantFrom('', 'python', 'c++', 'js title="x.js"', '{r}'),
  fc.array(fc.constantFrom('x = 1', '', '  if a < b:', '# not a heading', '- no item', '$$', '[ref]: /no', '``', '<b>'), {
    maxLength: 5,
  }),
  fc.boolean(),
)

const block = fc.oneof(
  { weight: 4, arbitrary: words },
  lines(words, ''),
  fc.tuple(fc.constantFrom('# ', '### '), words).map((parts) => parts.join('')),
  fc.tuple(words, fc.constantFrom('===', '---')).map((parts) => parts.join('\n')),
  lines(words, '- '),
  lines(words, '* [x] '),
  lines(words, '1. '),
  fc.tuple(words, words, words).map(([a, b, c]) => `- ${a}\n  - ${b}\n\n  ${c}\n- d`),
  fc.tuple(words, code).map(([a, [fence, info, body]]) => `1. ${a}\n   ${[fence + info, ...body, fence].join('\n   ')}`),
  lines(words, '> '),
  fc.tuple(words, words).map(([a, b]) => `> ${a}\n${b}`),
  code.map(([fence, info, body, closed]) => [fence + info, ...body, ...(closed ? [fence] : [])].join('\n')),
  lines(fc.constantFrom('x = 1', 'y'), '    '),
  fc.tuple(words, words).map(([a, b]) => `| a | b |\n|---|:-:|\n| ${a.replaceAll('|', '')} | ${b.replaceAll('|', '')} |`),
  fc.constantFrom('$$\na\n= b\n$$', '$$a$$', '\\[\n\\frac{a}{b}\n\n\\]', '\\[\nx\n\\]', '$$\nx\n- y\n', 'so:\n$$\nE = mc^2\n$$\nwhere'),
  fc.constantFrom('---', '***', '[ref]: https://example.org/ref "title"', '[REF]: https://other.example', '[^n]: A note.\nMore.'),
  fc.constantFrom('[ref]: https://example.org\n"title', '[^n]: One.\n[^m]: Two.', '[^n]: One.\n\n    More.\n\n        code', '[^n]:\n    More\n\n    - a', '<div>\n**x**\n</div>', '<p align="center">', '</div>'),
  fc.constantFrom('<details>\n<summary>s</summary>\n\ntext\n\n</details>', '<!-- c\n\nc -->', '<pre>\n\nx\n</pre>', '<style>\n\n*{}</style>'),
)

export const documents = fc
  .array(fc.tuple(block, fc.constantFrom('\n\n', '\n\n', '\n\n', '\n', '\n\n\n', '\r\n\r\n', '\n  \n')), { maxLength: 9 })
  .map((blocks) => blocks.flat().join(''))

/** A document, and the places at which it is cut, in order. */
export const cutDocuments = documents.chain((text) =>
  fc.tuple(
    fc.constant(text),
    fc.oneof(
      fc.array(fc.nat(text.length), { maxLength: 40 }).map((cuts) => cuts.sort((a, b) => a - b)),
      fc.constant([...Array(text.length).keys()]),
    ),
  ),
)
