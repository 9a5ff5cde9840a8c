// @vitest-environment jsdom
/** What stands below an answer: how it ended and what helps, what there is to know of it, its sources, its pictures. */

import { act } from 'preact/test-utils'
import { beforeEach, describe, expect, test } from 'vitest'
import type { Metadata, Part } from '../../src/transcript'
import { all, click, did, draw, find, open, press, taken } from './drawn'
import { answer, question, transcript } from './transcripts'

const EVIL = '<img src=x onerror=alert(1)>'

const after = (parts: (Part | string)[], metadata: Metadata = {}) => transcript([question('Why?'), answer(parts, metadata)])
const failed = (category: string, recoverable = false, text = 'It broke.'): Metadata => ({
  outcome: 'failed',
  error: { category, text, recoverable },
})

// jsdom may have no modal dialogs.
HTMLDialogElement.prototype.showModal ??= function (this: HTMLDialogElement) {
  this.open = true
}

describe('how it ended, and what helps', () => {
  const offers = () => all('.jdc-ending button').map(({ textContent }) => textContent?.trim())

  test.each<[string, Metadata, (Part | string)[], string[]]>([
    ['a key was refused', failed('auth'), [], ['Another model']],
    ['too many asked', failed('rate', true), [], ['Try again', 'Another model']],
    ['a quota is used up', failed('rate'), ['Half'], ['Continue', 'Another model']],
    ['the network is away', failed('network', true), ['Half'], ['Continue', 'Try again']],
    ['it is too long', failed('too-long'), [], ['Another model']],
    ['the provider knows no such model', failed('provider'), [], ['Another model']],
    ['the set-up is wrong', failed('internal'), [], []],
    ['a budget is used up', failed('budget'), ['Half'], ['Continue']],
    ['it was stopped', { outcome: 'stopped' }, ['Half'], ['Continue']],
    ['it was cut off', { outcome: 'truncated' }, ['Half'], ['Continue', 'Try again']],
    ['the server went away', { outcome: 'interrupted' }, [], ['Try again']],
    ['of an unknown kind', failed('constructor'), [], []],
  ])('%s', async (_, metadata, parts, offered) => {
    await draw({ transcript: after(parts, metadata) })
    expect(offers()).toEqual(offered)
    // Each of them is there once.
    expect([all('.jdc-retry').length, all('.jdc-retry-with').length]).toEqual([1, 1])
  })

  test('it is tried again', async () => {
    await draw({ transcript: after([], failed('rate', true)) })
    await click('.jdc-ending .jdc-retry')
    expect(did).toEqual(['retry a_t_1'])
  })

  test('another model is chosen and asked', async () => {
    taken.agents = { default: 'demo', agents: [{ name: 'demo', models: ['a:1', 'b:2'], efforts: [], available: true, why: null }] }
    await draw({ transcript: after([], failed('auth')) })
    await click('.jdc-ending .jdc-retry-with')
    expect(find('.jdc-retry-with')?.getAttribute('aria-expanded')).toBe('true')
    await press('Escape', {}, find('.jdc-choices') as Element)
    expect(document.activeElement?.classList.contains('jdc-retry-with')).toBe(true)
    await click('.jdc-ending .jdc-retry-with')
    await act(() => (all('.jdc-choice').find(({ textContent }) => textContent === 'b:2') as HTMLElement).click())
    expect(did.at(-1)).toBe('retry a_t_1 {"agent":"demo","model":"b:2","effort":null}')
  })

  test('settings are what one types, and it is said when they are read', async () => {
    const text = `The key was refused. Check OPENAI_API_KEY or c.DurableChat.api_keys['openai']. ${EVIL}`
    await draw({ transcript: after([], failed('auth', false, text)) })
    expect(all('.jdc-outcome code').map(({ textContent }) => textContent)).toEqual(['OPENAI_API_KEY', "c.DurableChat.api_keys['openai']"])
    expect(find('.jdc-why')?.textContent).toBe(text)
    expect(find('.jdc-hint-of-error')?.textContent).toBe('Settings are read when Jupyter starts.')
    expect(all('.jdc-outcome img')).toEqual([])
  })

  test('what is too long can be made shorter', async () => {
    await draw({ transcript: after([], failed('too-long')) })
    expect(find('.jdc-hint-of-error')?.textContent).toContain('can be edited')
  })

  test('in what can only be read, nothing is offered', async () => {
    await draw({ transcript: after(['Half'], failed('rate', true)), state: 'static', actions: null })
    expect([offers(), all('.jdc-retry').length]).toEqual([[], 0])
  })
})

describe('what there is to know of it', () => {
  const usage = { input_tokens: 5, output_tokens: 7 }
  const full = (tokens: number) => ({ usage, context: { tokens, window: 1000 } })

  test('is a press away', async () => {
    await draw({ transcript: after(['So.'], { ...full(120), finished_at: 'x' }) })
    expect(find('.jdc-details')).toBeNull()
    await click('.jdc-fact-line')
    expect(find('.jdc-fact-line')?.getAttribute('aria-expanded')).toBe('true')
    expect(all('.jdc-details li').slice(1).map(({ textContent }) => textContent)).toEqual([
      '5 input tokens',
      '7 output tokens',
      '120 of 1,000 tokens in the context',
    ])
  })

  test.each<[number, string | null, string | undefined, boolean]>([
    [490, null, undefined, false],
    [500, '50', undefined, false],
    [800, '80', 'warn', false],
    [900, '90', 'warn', true],
    [5000, '100', 'warn', true],
  ])('of a context of 1000, %d are used', async (tokens, shown, tone, isSaid) => {
    await draw({ transcript: after(['So.'], full(tokens)) })
    const meter = find('[role="meter"]')
    expect([meter?.getAttribute('aria-valuenow') ?? null, meter?.dataset['tone']]).toEqual([shown, tone])
    expect(find('.jdc-nearly-full')?.textContent.includes('Start a new chat') ?? false).toBe(isSaid)
  })

  test('what to do about a full context is said below the last answer only', async () => {
    const messages = [question('Why?'), answer(['So.'], full(950)), question('And?', 't_2'), answer(['So.'], full(990), 't_2')]
    await draw({ transcript: transcript(messages) })
    expect(all('.jdc-nearly-full').length).toBe(1)
  })
})

describe('sources', () => {
  const source = (url: string, title?: string): Part => ({ type: 'source-url', sourceId: url, url, ...(title ? { title } : {}) })
  const listed = () => all('.jdc-sources li').map((item) => [...item.children].map(({ textContent }) => textContent))

  test('are collected, each once, with where they lead', async () => {
    await draw({
      transcript: after([
        source('https://a.example/x', 'A'),
        'So.',
        source('https://b.example/'),
        source('https://a.example/x', 'A again'),
        source('javascript:attack()', EVIL),
        { type: 'source-document', sourceId: 'd', mediaType: 'text/plain', title: 'Report', filename: 'r.pdf' },
      ]),
    })
    expect(find('.jdc-sources summary')?.textContent).toBe('4 sourcesa.example, b.example')
    expect(find('.jdc-sources')?.previousElementSibling?.classList.contains('jdc-text')).toBe(true)
    await open('.jdc-sources')
    expect(listed()).toEqual([
      ['A', 'https://a.example/x'],
      ['b.example', 'https://b.example/'],
      [EVIL],
      ['Report', 'r.pdf'],
    ])
    expect(all('.jdc-sources a').map((link) => [link.getAttribute('href'), link.getAttribute('target'), link.getAttribute('rel')])).toEqual([
      ['https://a.example/x', '_blank', 'noopener noreferrer'],
      ['https://b.example/', '_blank', 'noopener noreferrer'],
    ])
  })

  test('where there are none, nothing is said', async () => {
    await draw({ transcript: after(['So.']) })
    expect(find('.jdc-sources')).toBeNull()
  })
})

describe('a picture', () => {
  const url = 'data:image/png;base64,AAAA'
  beforeEach(() => draw({ transcript: after([{ type: 'file', mediaType: 'image/png', url, filename: 'p.png' }]) }))

  test('is shown larger, saved, and closed with Esc, which stops nothing', async () => {
    expect(find('.jdc-enlarge')?.getAttribute('aria-label')).toBe('Show p.png larger')
    await click('.jdc-enlarge')
    const dialog = find<HTMLDialogElement>('dialog.jdc-lightbox')
    expect([dialog?.open, dialog?.querySelector('img')?.getAttribute('src')]).toEqual([true, url])
    const link = find<HTMLAnchorElement>('.jdc-save-picture')
    expect([link?.getAttribute('href'), link?.download]).toEqual([url, 'p.png'])
    await press('Escape', {}, dialog as Element)
    expect([find('dialog'), did]).toEqual([null, []])
    expect(document.activeElement?.classList.contains('jdc-enlarge')).toBe(true)
  })

  test('is closed by its button, and by a press beside it', async () => {
    await click('.jdc-enlarge')
    await click('.jdc-close')
    expect(find('dialog')).toBeNull()
    await click('.jdc-enlarge')
    await act(() => find('.jdc-lightbox img')?.click())
    expect(find('dialog')).not.toBeNull()
    await act(() => find('dialog')?.click())
    expect(find('dialog')).toBeNull()
  })
})
