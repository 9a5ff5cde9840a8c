// @vitest-environment jsdom
/** A link opens outside, and nobody is led to believe that it leads somewhere else. */

import { expect, test } from 'vitest'
import { toHtml } from '../../src/view/html'
import { leadsTo, visible } from '../../src/view/links'
import { MarkdownStream } from '../../src/view/stream'
import { answer, transcript } from './transcripts'

function drawn(text: string): HTMLElement {
  const root = document.createElement('div')
  new MarkdownStream(root).update(text, true)
  return root
}

test.each([
  ['https://bank.example', 'https://evil.example', 'evil.example'],
  ['bank.example', 'https://evil.example:8443/bank.example', 'evil.example:8443'],
  ['Log in at https://bank.example/login', 'https://bank.example.evil.example/', 'bank.example.evil.example'],
  ['www.bank.com', 'https://evil.example', 'evil.example'],
  ['\uff42\uff41\uff4e\uff4b.example', 'https://evil.example', 'evil.example'],
  ['bank\u3002example', 'https://evil.example', 'evil.example'],
  ['https://bank\u200b.example', 'https://bank.example', 'bank.example'],
  ['\u202eelpmaxe.knab//:sptth', 'https://evil.example', 'evil.example'],
  ['b\u0430nk.example', 'https://b\u0430nk.example', 'xn--bnk-6cd.example'],
  ['https://bank.example', 'https://b\u0430nk.example', 'xn--bnk-6cd.example'],
  ['192.0.2.1', 'https://evil.example', ''],
  ['http://192.0.2.1', 'https://evil.example', 'evil.example'],
  ['https://bank.example@evil.example/', 'https://bank.example@evil.example/', 'evil.example'],
  ['me@bank.example', 'mailto:me@evil.example', 'me@evil.example'],
  ['javascript:alert(1)', 'https://evil.example', ''],
])('%j that leads to %s says so', (words, url, host) => {
  expect(leadsTo(words, new URL(url))).toBe(host)
})

test.each([
  ['here', 'https://ok.example/a'],
  ['https://ok.example/a?b=https', 'https://ok.example/a?b=https'],
  ['ok.example', 'https://www.ok.example'],
  ['WWW.OK.example/a', 'https://ok.example/a'],
  ['pandas.DataFrame', 'https://ok.example'],
  ['main.py, README.md and data.csv of 1.5 GB', 'https://ok.example'],
  ['me@ok.example', 'mailto:me@ok.example'],
  ['\u05e9\u05dc\u05d5\u05dd', 'https://ok.example'],
  ['', 'https://ok.example'],
])('%j that leads to %s says no more', (words, url) => {
  expect(leadsTo(words, new URL(url))).toBe('')
})

test('what is in front of an @ is not taken along, and the host stands beside it', () => {
  const link = drawn('<https://bank.example:pass@evil.example/a>').querySelector('a')
  expect([link?.href, link?.title, link?.target, link?.rel]).toEqual(['https://evil.example/a', 'https://evil.example/a', '_blank', 'noopener noreferrer'])
  expect(link?.querySelector('.jdc-leads')?.textContent).toBe('evil.example')
})

test('a link of the saved copy says it as well', () => {
  const html = toHtml(transcript([answer(['[https://bank.example](https://evil.example) [x](https://ok.example)'])]), null)
  expect(html).toContain('>https://bank.example (evil.example)</a>')
  expect(html).toContain('>x</a>')
})

test('a long text is not searched for ever', () => {
  const started = performance.now()
  for (const piece of ['a', 'a.', 'a-', 'https://', '\u00e4.', '1.', '@', '-.']) leadsTo(piece.repeat(50_000), new URL('https://ok.example'))
  expect(performance.now() - started).toBeLessThan(5_000)
})

test('a name that is written backwards reads as what it is', () => {
  expect(visible('holiday\u202egpj.exe')).toBe('holidaygpj.exe')
})
