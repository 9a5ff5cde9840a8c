// @vitest-environment jsdom
/** What is said of how long something took, or takes so far. */

import { act } from 'preact/test-utils'
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest'
import type { Metadata, Part, TextPart, ToolPart, Transcript, Turn } from '../../src/transcript'
import { all, draw, find, open } from './drawn'
import { answer, question, running, transcript } from './transcripts'

const at = (seconds: number) => new Date(Date.parse('2026-11-20T20:15:00.000Z') + seconds * 1000).toISOString()

function reasoning(more: Partial<TextPart> = {}): TextPart {
  return { type: 'reasoning', text: 'Hm', state: 'done', started: { at: at(1) }, ...more }
}

/** An answer that began at second 1 and runs, with these parts. */
function during(parts: Part[], turn: Partial<Turn> = {}, metadata: Metadata = {}): Transcript {
  const before = running('')
  const [asked, answering] = before.messages as [Transcript['messages'][0], Transcript['messages'][0]]
  const now = { ...answering, parts, metadata: { ...answering.metadata, ...metadata } }
  return { ...before, messages: [asked, now], turn: { ...(before.turn as Turn), started_at: at(1), ...turn } }
}

const after = (parts: (Part | string)[], metadata: Metadata = {}) => transcript([question('Why?'), answer(parts, metadata)])
const facts = () => find('.jdc-facts')?.textContent
const line = () => find('.jdc-reasoning')?.textContent

describe('reasoning', () => {
  test.each<[string, Partial<TextPart>, string]>([
    ['seconds', { finishedAt: at(13.4) }, 'Thought for 12 s'],
    ['minutes', { finishedAt: at(84) }, 'Thought for 1 min 23 s'],
    ['hours', { finishedAt: at(7201 + 61) }, 'Thought for 2 h 1 min'],
    ['a moment', { finishedAt: at(1.2) }, 'Thought for a moment'],
    ['nobody knows', {}, 'Reasoning'],
    ['clocks that went back', { finishedAt: at(0) }, 'Reasoning'],
    ['what no clock says', { started: { at: 'soon' }, finishedAt: 'later' }, 'Reasoning'],
  ])('says how long it took: %s', async (_, more, shown) => {
    await draw({ transcript: after([reasoning(more)]) })
    expect(line()).toBe(shown)
    await open('.jdc-reasoning')
    expect(find('.jdc-reasoning .jdc-text')?.textContent).toBe('Hm\n')
  })

  test('that nobody may read is a line, if it was waited for', async () => {
    await draw({ transcript: after([reasoning({ text: '', finishedAt: at(9) }), 'So.']) })
    expect(line()).toBe('Thought for 8 s')
    expect(find('.jdc-reasoning summary, details')).toBeNull()
    await draw({ transcript: after([reasoning({ text: '', finishedAt: at(1.5) }), 'So.']) })
    expect(line()).toBeUndefined()
    await draw({ transcript: after([{ type: 'reasoning', text: '', state: 'done' }, 'So.']) })
    expect(line()).toBeUndefined()
  })
})

describe('while time passes', () => {
  beforeEach(() => vi.useFakeTimers({ now: Date.parse(at(6.3)), toFake: ['setTimeout', 'clearTimeout', 'Date'] }))
  afterEach(() => vi.useRealTimers())
  const pass = (seconds: number) => act(() => void vi.advanceTimersByTime(seconds * 1000))

  test('reasoning counts its seconds, and nothing else is drawn again for that', async () => {
    await draw({ transcript: during([reasoning({ state: 'streaming' })]) })
    expect(line()).toBe('Thinking…5 s')
    expect(find('.jdc-waiting')).toBeNull()
    const label = find('.jdc-reasoning .jdc-shimmer') as HTMLElement
    label.textContent = 'touched'
    await pass(0.7)
    expect(line()).toBe('touched6 s')
    await pass(60)
    expect(line()).toBe('touched1 min 6 s')
    expect(find('.jdc-reasoning [role="timer"]')).not.toBeNull()
  })

  test('so does reasoning that nobody may read', async () => {
    await draw({ transcript: during([reasoning({ text: '', state: 'streaming' })]) })
    expect([line(), find('.jdc-waiting')]).toEqual(['Thinking…5 s', null])
  })

  test('of before there were times, it is only said that it goes on', async () => {
    await draw({ transcript: during([{ type: 'reasoning', text: 'Hm', state: 'streaming' }]) })
    expect(line()).toBe('Thinking…')
  })

  test('an answer says since when it comes, by the clock of the server', async () => {
    await draw({ transcript: during(['So'].map((text) => ({ type: 'text', text, state: 'streaming' }))), now: () => Date.now() + 60_000 })
    expect(facts()).toBe('demo1 min 5 s')
    await pass(1)
    expect(facts()).toBe('demo1 min 6 s')
  })

  test('it does not begin with nothing', async () => {
    await draw({ transcript: during([], { started_at: at(6) }) })
    expect(facts()).toBe('demo')
    await pass(0.7)
    expect(facts()).toBe('demo1 s')
  })

  test('it stands still while somebody is waited for, and that does not count', async () => {
    const waits = [
      { from: at(-100), to: at(-50) },
      { from: at(2), to: at(4) },
    ]
    await draw({ transcript: during([], { waits_since: at(5) }, { waits }) })
    expect(facts()).toBe('demo2 s')
    await pass(10)
    expect(facts()).toBe('demo2 s')
    await draw({ transcript: during([], {}, { waits: [...waits, { from: at(5), to: at(16) }] }) })
    await pass(0.2)
    expect(facts()).toBe('demo2 s')
    await pass(2)
    expect(facts()).toBe('demo4 s')
  })

  test('when it is gone, nothing ticks', async () => {
    await draw({ transcript: during([reasoning({ state: 'streaming' })]) })
    expect(vi.getTimerCount()).toBeGreaterThan(0)
    await draw({ transcript: after(['So.']) })
    expect([all('[role="timer"]').length, vi.getTimerCount()]).toEqual([0, 0])
  })
})

describe('an answer that is over', () => {
  const call: ToolPart = { type: 'dynamic-tool', toolName: 'f', toolCallId: 'c1', state: 'output-available', output: 1 }
  const times = { at: at(1), finished_at: at(31.5) }
  const waits = [
    { from: at(2), to: at(12) },
    { from: at(20), to: at(22.5) },
  ]

  test.each<[string, Part, Metadata, string]>([
    ['nobody was waited for', call, {}, 'demo · 31 s'],
    ['a person was', { ...call, approval: { id: 'a', approved: true } }, { waits }, 'demo · 18 s'],
    ['a kernel was, and nobody knows for how long', { ...call, waitsFor: 'kernel' }, {}, 'demo'],
    ['it was gone on with', call, { waits, continued: [{ turn: 't_0', outcome: 'stopped' }] }, 'demo · 18 s'],
    ['it was gone on with before that was noted', call, { continued: [{ turn: 't_0', outcome: 'stopped' }] }, 'demo'],
    ['its writer died', call, { outcome: 'interrupted' }, 'demo'],
    ['a writer of it had died', call, { waits, continued: [{ turn: 't_0', outcome: 'interrupted' }] }, 'demo'],
  ])('says the time of those who worked: %s', async (_, part, metadata, shown) => {
    await draw({ transcript: after([part], { ...times, ...metadata }) })
    expect(facts()).toBe(shown)
  })
})
