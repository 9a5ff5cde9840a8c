// @vitest-environment jsdom
/** What reaches the page of texts that attack it: only what is on the list, whatever way the text takes. */

import { beforeAll, expect, test } from 'vitest'
import type { Part } from '../../src/transcript'
import { reading } from '../../src/view/dress'
import { languages } from '../../src/view/highlight'
import { temml } from '../../src/view/math'
import { MarkdownStream } from '../../src/view/stream'
import { toHtml } from '../../src/view/html'
import { sources } from '../hostile/corpus.ts'
import { foreign } from '../hostile/foreign.ts'
import { LONG, share, TIME } from '../hostile/share.ts'
import { answer, question, transcript } from './transcripts'

beforeAll(() => Promise.all([temml.load(), languages.load(), reading.load()]))

function place(): HTMLElement {
  const root = document.createElement('div')
  root.className = 'jdc-markdown'
  return root
}

function drawn(text: string): Element {
  const root = place()
  new MarkdownStream(root).update(text, true)
  return root
}

const each = test.each(Object.keys(sources))

/** The attacks of which something stays. One at a time: what a task has looked at weakly is kept until the task ends. */
async function left(source: string, what: (attack: string) => string[]): Promise<Record<string, string[]>> {
  const stays: Record<string, string[]> = {}
  for (const attack of share(sources[source] ?? [])) {
    const found = what(attack)
    if (found.length > 0) stays[attack] = found
    await new Promise((done) => setTimeout(done))
  }
  return stays
}

/** What an attack may stand in. */
const PLACES: ((attack: string) => string)[] = [
  (attack) => attack,
  (attack) => `before ${attack} behind`,
  (attack) => `- x\n\n  ${attack.replaceAll('\n', '\n  ')}\n- y`,
  (attack) => `| a |\n|---|\n| ${attack.replaceAll('\n', ' ').replaceAll('|', '')} |`,
  (attack) => `<div>${attack}</div>`,
  (attack) => `## ${attack.replaceAll('\n', ' ')}`,
  (attack) => `\`\`\`${attack.replaceAll('\n', ' ')}\n${attack}\n\`\`\``,
  (attack) => `> [${attack}](https://ok.example "${attack}")`,
  (attack) => `x[^1] ![${attack}](https://ok.example)\n\n[^1]: ${attack}`,
]

each('%s leave nothing, wherever they stand', async (source) => {
  let turn = 0
  const places = source === 'attacks' || LONG ? () => PLACES : () => [PLACES[turn++ % PLACES.length]!]
  const drawnThere = (attack: string) => places().flatMap((place) => foreign(drawn(place(attack))).map((name) => `${name} of ${place(attack)}`))
  expect(await left(source, drawnThere)).toEqual({})
}, TIME)

test.each(LONG ? Object.keys(sources) : ['attacks', 'nestings', 'encoded'])('%s leave nothing, piece by piece', async (source) => {
  const cuts = LONG ? Number.POSITIVE_INFINITY : source === 'attacks' ? 20 : 2
  const pieces = (attack: string) => {
    const root = place()
    const stream = new MarkdownStream(root)
    const step = Math.ceil(attack.length / Math.min(cuts, attack.length))
    const ends = Array.from({ length: Math.ceil(attack.length / step) }, (_, n) => (n + 1) * step)
    return ends.flatMap((end) => {
      stream.update(attack.slice(0, end), false)
      return foreign(root)
    })
  }
  expect(await left(source, pieces)).toEqual({})
}, TIME)

each('%s leave nothing in the static HTML', async (source) => {
  const kept = (attack: string) => {
    const parts: Part[] = [
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
    root.className = 'jdc-markdown'
    return foreign(root)
  }
  expect(await left(source, kept)).toEqual({})
}, TIME)

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
  for (const host of [location.origin, `http://${location.hostname}:8889`, `https://${location.hostname}`]) {
    expect(drawn(`![out](${host}/logout)`).querySelector('img, button')).toBeNull()
  }
})
