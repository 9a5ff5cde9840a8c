// @vitest-environment jsdom
/** What reaches the page of texts that attack it: only what is on the list, whatever way the text takes. */

import { beforeAll, expect, test } from 'vitest'
import type { Part } from '../../src/transcript'
import { languages } from '../../src/view/highlight'
import { temml } from '../../src/view/math'
import { isInlineImage, outsideUrl } from '../../src/view/sanitize'
import { MarkdownStream } from '../../src/view/stream'
import { toHtml } from '../../src/view/html'
import { attacks } from './attacks'
import { answer, question, transcript } from './transcripts'

beforeAll(() => Promise.all([temml.load(), languages.load()]))

const ELEMENTS = new Set(
  (
    'a abbr b blockquote br button caption cite code dd del div dl dt em h1 h2 h3 h4 h5 h6 hr i img ins kbd li mark ol p ' +
    'path pre q s samp small span strong sub sup svg table tbody td tfoot th thead tr u ul var wbr ' +
    'math merror mfrac mi mn mo mover mpadded mrow mspace msqrt mstyle msub msubsup msup mtable mtd mtext mtr munder'
  ).split(' '),
)
const ATTRIBUTES = /^(?:align|alt|class|colspan|data-alt|data-jdc-\w+|data-lang|dir|height|lang|rowspan|start|title|type|width|aria-(?:hidden|label)|viewbox|d)$/
const MATH = /^(?:accent|class|columnalign|display|displaystyle|fence|form|lspace|mathcolor|mathbackground|mathvariant|rspace|scriptlevel|separator|stretchy|style|symmetric)$/

/** Everything in the tree that is not expected there. */
function foreign(root: Element): string[] {
  return [...root.querySelectorAll('*')].flatMap((element) => {
    const name = element.localName
    const found = ELEMENTS.has(name) ? [] : [`<${name}>`]
    for (const { name: attribute, value } of element.attributes) {
      const at = attribute.toLowerCase()
      const fine =
        at === 'href'
          ? name === 'a' && outsideUrl(value) !== null && element.getAttribute('target') === '_blank'
          : at === 'src'
            ? name === 'img' && isInlineImage(value)
            : at === 'style'
              ? element.closest('math') !== null && !/url|position|fixed|[\\@]/i.test(value)
              : ['rel', 'target'].includes(at)
                ? name === 'a'
                : ATTRIBUTES.test(at) || (element.closest('math') !== null && MATH.test(at))
      if (!fine) found.push(`${name}[${attribute}=${value}]`)
    }
    const classes = [...element.classList].filter((given) => !/^(?:jdc|tml)-/.test(given))
    return [...found, ...classes.map((given) => `.${given}`)]
  })
}

function drawn(text: string): Element {
  const root = document.createElement('div')
  new MarkdownStream(root).update(text, true)
  return root
}

test.each(attacks)('%j leaves nothing, wherever it stands', (attack) => {
  const line = attack.replaceAll('\n', ' ')
  for (const text of [
    attack,
    `before ${attack} behind`,
    `- x\n\n  ${attack.replaceAll('\n', '\n  ')}\n- y`,
    `| a |\n|---|\n| ${line.replaceAll('|', '')} |`,
    `<div>${attack}</div>`,
    `## ${line}`,
  ]) {
    expect(foreign(drawn(text)), text).toEqual([])
  }
})

test.each(attacks)('%j leaves nothing, piece by piece', (attack) => {
  const root = document.createElement('div')
  const stream = new MarkdownStream(root)
  for (let end = 1; end <= attack.length; end += 3) {
    stream.update(attack.slice(0, end), false)
    expect(foreign(root)).toEqual([])
  }
})

test.each(attacks)('%j leaves nothing in the static HTML', (attack) => {
  const parts: Part[] = [
    { type: 'text', text: attack },
    { type: 'reasoning', text: attack },
    { type: 'dynamic-tool', toolName: attack, toolCallId: 'c', state: 'output-error', errorText: attack },
    { type: 'source-url', sourceId: 's', url: attack, title: attack },
    { type: 'file', mediaType: 'image/png', url: attack, filename: attack },
  ]
  const error = { category: 'internal', text: attack, recoverable: false }
  const html = toHtml(transcript([question(attack, 't_1', parts), answer(parts, { outcome: 'failed', error })]), null)
  const root = new DOMParser().parseFromString(html, 'text/html').body
  for (const element of root.querySelectorAll('[style]')) element.removeAttribute('style') // ours: `style` in `text` is gone
  for (const details of root.querySelectorAll('details, summary')) details.replaceWith(...details.childNodes)
  expect(foreign(root)).toEqual([])
})

test('what is allowed stays', () => {
  const root = drawn('[a](https://a.example/?b=1&c#d "t") <b>b</b> <kbd>k</kbd> ![x](data:image/png;base64,AAAA) https://u.example')
  expect([...root.querySelectorAll('a')].map((link) => [link.href, link.title, link.target, link.rel])).toEqual([
    ['https://a.example/?b=1&c#d', 'https://a.example/?b=1&c#d', '_blank', 'noopener noreferrer'],
    ['https://u.example/', 'https://u.example/', '_blank', 'noopener noreferrer'],
  ])
  expect(root.querySelector('b')?.textContent).toBe('b')
  expect(root.querySelector('kbd')?.textContent).toBe('k')
  expect(root.querySelector('img')?.getAttribute('src')).toBe('data:image/png;base64,AAAA')
})

test('failure 15: an unknown tag is shown as it was written', () => {
  expect(drawn('Map<String, List<Int>> and <script>x</script>').textContent).toBe('Map<String, List<Int>> and <script>x</script>\n')
  expect(drawn('<thinking>\n**so**\n</thinking>').querySelector('strong')?.textContent).toBe('so')
})

test('a picture of another host is a button that names it', () => {
  const root = drawn('![a chart](https://plots.example:8443/c.png)')
  expect(root.querySelector('img')).toBeNull()
  expect(root.querySelector('button')?.textContent).toBe('Show image “a chart” from plots.example:8443')
})

test('a picture of this page\'s own host is not fetched at all', () => {
  expect(drawn(`![out](${location.origin}/logout)`).querySelector('img, button')).toBeNull()
})
