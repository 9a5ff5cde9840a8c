// @vitest-environment jsdom
/** Calls as a person sees them: how they go, what they ask, what they gave; and that none of it is markup. */

import { act } from 'preact/test-utils'
import { beforeEach, describe, expect, test, vi } from 'vitest'
import type { Part, ToolPart, Transcript } from '../../src/transcript'
import { waitingCalls } from '../../src/view/waits'
import { actions, all, click, did, draw, find, input, open, press, taken, type } from './drawn'
import { answer, question, running, transcript, waiting } from './transcripts'

const HASH = 'a'.repeat(64)
const EVIL = '<img src=x onerror=alert(1)><script>alert(1)</script>'

function call(more: Partial<ToolPart> = {}): ToolPart {
  return { type: 'dynamic-tool', toolName: 'plot', toolCallId: 'c1', state: 'input-available', input: { x: 1 }, ...more }
}

/** An answer that runs, with these parts. */
function during(...parts: Part[]): Transcript {
  const before = running('')
  const [asked, answering] = before.messages as [Transcript['messages'][0], Transcript['messages'][0]]
  return { ...before, messages: [asked, { ...answering, parts }] }
}

const after = (...parts: Part[]) => transcript([question('Why?'), answer(parts)])
const words = () => all('.jdc-tool-state').map(({ textContent }) => textContent)
const isOpen = (selector = '.jdc-tool details') => find<HTMLDetailsElement>(selector)?.open

beforeEach(() => {
  let made = 0
  vi.stubGlobal('URL', Object.assign(URL, { createObjectURL: () => `blob:${++made}`, revokeObjectURL: (url: string) => did.push(`revoke ${url}`) }))
})

describe('how a call goes', () => {
  const started = { at: '2026-11-21T10:00:00.000Z' }
  test.each<[string, Partial<ToolPart>, string]>([
    ['its arguments are being written', { state: 'input-streaming', rawInput: '{"x"' }, 'writing arguments…'],
    ['it waits for a yes', { state: 'approval-requested', approval: { id: 'a1' } }, 'waits for your approval'],
    ['it waits for a kernel', { waitsFor: 'kernel' }, 'waits for the kernel'],
    ['it runs in a kernel', { waitsFor: 'kernel', started }, 'running…'],
    ['it runs in the server', { started }, 'running…'],
    ['it was allowed, and begins', { state: 'approval-responded', approval: { id: 'a1', approved: true } }, 'running…'],
    ['it is done', { state: 'output-available', output: 1, started, finishedAt: '2026-11-21T10:00:02.500Z' }, 'done · 2.5 s'],
    ['it was done at once', { state: 'output-available', output: 1, started, finishedAt: '2026-11-21T10:00:00.049Z' }, 'done'],
    ['it had asked the person', { state: 'output-available', output: 1, started, finishedAt: '2026-11-21T10:00:02.500Z', parts: [call({ toolCallId: 'c2', waitsFor: 'person', state: 'output-available' })] }, 'done'],
    ['it gave something that is not all', { state: 'output-available', output: 1, preliminary: true }, 'running…'],
    ['it failed', { state: 'output-error', errorText: 'no' }, 'failed'],
    ['it was denied', { state: 'output-denied', approval: { id: 'a1', approved: false, by: { username: 'ada' } } }, 'denied by ada'],
  ])('%s', async (_, more, state) => {
    await draw({ transcript: during(call(more)) })
    expect(words()).toEqual([state])
    const { callId, toolName, state: shown } = find('.jdc-tool')?.dataset ?? {}
    expect([callId, toolName, shown]).toEqual(['c1', 'plot', more.state ?? 'input-available'])
  })

  test.each<[string, Partial<ToolPart>, string]>([
    ['it was stopped before its approval', { errorText: 'stopped', approval: { id: 'a1' } }, 'not run'],
    ['it waited for a kernel when the server went away', { errorText: 'interrupted', waitsFor: 'kernel' }, 'not run'],
    ['the call around it was over', { errorText: 'The call around this one is over.' }, 'not run'],
    ['an agent of its own asked for it', { errorText: 'stopped', providerExecuted: true, approval: { id: 'a1' } }, 'not run'],
    ['an agent of its own may have begun', { errorText: 'stopped', providerExecuted: true }, 'failedstopped'],
    ['an agent of its own was refused', { errorText: 'stopped', providerExecuted: true, approval: { id: 'a1', approved: false } }, 'not run'],
    ['an agent of its own was allowed', { errorText: 'stopped', providerExecuted: true, approval: { id: 'a1', approved: true } }, 'failedstopped'],
    ['it had begun', { errorText: 'stopped', started }, 'failedstopped'],
    ['it has said something', { errorText: 'stopped', logs: [{ level: 'info', text: 'one' }] }, 'failedstopped'],
    ['it never could', { errorText: 'x is missing' }, 'failedx is missing'],
  ])('its turn ended: %s', async (_, more, shown) => {
    await draw({ transcript: after(call({ state: 'output-error', ...more })) })
    expect(find('.jdc-tool')?.textContent).toBe(`plotx: 1${shown}`)
    expect(find('.jdc-icon-cross') === null).toBe(shown === 'not run')
  })

  test('one that was not over when its turn was saved has no result', async () => {
    await draw({ transcript: after(call({ state: 'approval-requested', approval: { id: 'a1' } })) })
    expect(words()).toEqual(['no result'])
    expect(find('.jdc-approval')).toBeNull()
  })

  test('a call that waits for the kernel says what to do', async () => {
    await draw({ transcript: during(call({ waitsFor: 'kernel' })) })
    expect(find('.jdc-tool-note')?.textContent).toContain('run the cell that offers plot again')
  })

  test('progress and the last line that it said', async () => {
    const logs = [{ level: 'info', text: 'one' }, { level: 'warning', text: 'two' }]
    await draw({ transcript: during(call({ started, progress: { progress: 3, total: 10, message: 'epoch' }, logs })) })
    const bar = find<HTMLProgressElement>('progress')
    expect([bar?.value, bar?.max]).toEqual([3, 10])
    expect(find('.jdc-going')?.textContent).toBe('epoch · 3 of 10two')
    await open('.jdc-tool details')
    expect(find('.jdc-logs')?.textContent).toBe('one\nwarning: two\n')
    await draw({ transcript: during(call({ started, progress: { message: 'soon' } })) })
    expect(find('progress')?.hasAttribute('value')).toBe(false)
  })

  test('a message is drawn again when something inside of its calls changes', async () => {
    const inside = (text: string) => call({ toolName: 'research', parts: [call({ toolCallId: 'c2', parts: [{ type: 'text', text, state: 'done' }] })] })
    await draw({ transcript: during(inside('one')) })
    expect(find('.jdc-nested .jdc-nested .jdc-text')?.textContent).toContain('one')
    await draw({ transcript: during(inside('two')) })
    expect(find('.jdc-nested .jdc-nested .jdc-text')?.textContent).toContain('two')
  })

  test.each<[string, Partial<ToolPart>, string]>([
    ['a question', { toolName: 'ask_user', waitsFor: 'person', input: { questions: [{ question: 'Why?' }] } }, 'waits for your answer'],
    ['an approval', { state: 'approval-requested', approval: { id: 'a1' } }, 'waits for your approval'],
  ])('a call that waits for %s inside of it says so, and is open', async (_, more, shown) => {
    const parts = [call({ toolCallId: 'c2', parts: [call({ toolCallId: 'c3', ...more })] })]
    await draw({ transcript: during(call({ started, parts })) })
    expect(words().slice(0, 2)).toEqual([shown, shown])
    expect(find('.jdc-tool-state')?.dataset['waits']).not.toBe('')
    expect(all('.jdc-shimmer')).toEqual([])
    expect(isOpen()).toBe(true)
    expect(find('.jdc-nested .jdc-nested :is(.jdc-questions, .jdc-approval)')).not.toBeNull()
  })

  test('what happens inside of a call is open while it goes on, and folded when it is over', async () => {
    const parts = [call({ toolCallId: 'c2' })]
    await draw({ transcript: during(call({ parts })) })
    expect(isOpen()).toBe(true)
    await draw({ transcript: during(call({ parts, state: 'output-available', output: 1 })) })
    expect(isOpen()).toBe(false)
  })

  test('who has opened it has it open', async () => {
    await draw({ transcript: during(call()) })
    await open('.jdc-tool details')
    await draw({ transcript: during(call({ state: 'output-available', output: 'So.' })) })
    expect(isOpen()).toBe(true)
    expect(find('.jdc-folded')?.textContent).toContain('So.')
  })
})

describe('arguments and results', () => {
  async function opened(more: Partial<ToolPart>): Promise<void> {
    await draw({ transcript: after(call({ state: 'output-available', output: null, ...more })) })
    await open('.jdc-tool details')
  }
  const pres = () => all('.jdc-tool pre').map(({ textContent }) => textContent)
  const nodes = () => all('.jdc-tool .jdc-node').map(({ textContent }) => textContent)

  test('code is code', async () => {
    await opened({ input: { code: 'x = 1\ny = 2', timeout: 3 } })
    expect(find('.jdc-code code')?.textContent).toBe('x = 1\ny = 2')
    expect(find('.jdc-code code')?.dataset['jdcLang']).toBe('python')
    expect(pres()).toEqual(['x = 1\ny = 2', 'null'])
    expect(nodes()).toEqual(['timeout: 3'])
  })

  test('in the language that is said', async () => {
    await opened({ input: { code: 'SELECT 1', language: 'sql' } })
    expect(find('.jdc-code code')?.dataset['jdcLang']).toBe('sql')
    expect(pres()).toEqual(['SELECT 1', 'null'])
  })

  test('a change of a file, as agents write it', async () => {
    await opened({ output: '```diff\n-<b>one</b>\n+two\n```' })
    expect(find('.jdc-folded .jdc-markdown pre')?.textContent).toBe('-<b>one</b>\n+two')
  })

  test('what an agent of its own leaves empty is left out', async () => {
    const input = { locations: [], meta: {}, count: 0, words: '' }
    await opened({ input, providerExecuted: true })
    expect(find('.jdc-tool-gist')?.textContent).toBe('count: 0, words: ')
    expect([nodes(), pres()]).toEqual([['count: 0', 'words: “”'], ['null']])
    await opened({ input: { locations: [] }, providerExecuted: true })
    expect([nodes(), pres()]).toEqual([[], ['null']])
    await opened({ input: { locations: [] } })
    expect([nodes(), pres()]).toEqual([['locations: []'], ['null']])
  })

  test('an end that an agent of its own did not report is no failure', async () => {
    await draw({ transcript: after(call({ state: 'output-error', errorText: 'Its end was not reported.', providerExecuted: true })) })
    expect(words()).toEqual(['no result'])
    expect(find('.jdc-tool-note')?.textContent).toBe('Its end was not reported.')
    expect(all('.jdc-tool-error, .jdc-icon-cross')).toEqual([])
  })

  test.each<[string, unknown, boolean]>([
    ['a text', 'one\ntwo\n', true],
    ['a piece', { content: [{ type: 'text', text: 'one\ntwo\n' }, { type: 'text', text: 'So.' }] }, true],
    ['the end of more than is kept of a log', 'zero\none\ntwo', true],
    ['something else', 'twenty-one\ntwo', false],
    ['data', 3, false],
  ])('what a call said is folded away where its result says it again: %s', async (_, output, folded) => {
    await opened({ output, logs: [{ level: 'info', text: 'one' }, { level: 'warning', text: 'two' }] })
    expect(find('.jdc-logs') === null).toBe(folded)
    if (folded) await open('details.jdc-json')
    expect(find('.jdc-logs')?.textContent).toBe('one\nwarning: two\n')
  })

  test('what was said inside is folded away as the result, which hides no character, and scrolls for the keyboard', async () => {
    const text = `is\u202E hidden`
    await opened({ output: text, parts: [{ type: 'text', text, state: 'done' }] })
    await open('details.jdc-json')
    const result = find('.jdc-json pre')
    expect(result?.textContent).toBe(text)
    expect(result?.tabIndex).toBe(0)
    expect(result?.querySelector('[data-jdc-invisible]')).not.toBeNull()
  })

  test('text, data, pictures, files, and what was cut', async () => {
    const content = [
      { type: 'text', text: 'one' },
      { type: 'text', text: 'two' },
      { type: 'file', mediaType: 'image/png', url: `attachment:${HASH}`, filename: 'figure.png' },
      { type: 'file', mediaType: 'image/svg+xml', url: `attachment:${HASH}`, filename: 'figure.svg' },
      { type: 'file', mediaType: 'image/svg+xml', url: 'data:image/svg+xml,<svg/>', filename: 'inline.svg' },
      { type: 'file', mediaType: 'image/png', url: 'https://elsewhere.example/a.png', filename: 'outside.png' },
      { type: 'file', mediaType: 'text/html', url: 'javascript:alert(1)', filename: 'evil.html' },
    ]
    await draw({ transcript: after(call({ state: 'output-available', output: { content, cut: { bytes: 1234 } } })) })
    // Pictures are there while the rest is folded.
    expect(all('.jdc-tool img').map((img) => img.getAttribute('src'))).toEqual(['blob:1'])
    expect(find('.jdc-tool img')?.getAttribute('alt')).toBe('figure.png')
    expect(all('.jdc-tool :is(a, button.jdc-load-image)')).toEqual([])
    expect(all('.jdc-tool .jdc-chip').map(({ textContent }) => textContent)).toEqual(['figure.svg', 'inline.svg', 'outside.png', 'evil.html'])
    await open('.jdc-tool details')
    expect([nodes(), pres()]).toEqual([['x: 1'], ['one\n\ntwo']])
    expect(find('.jdc-tool-cut')?.textContent).toBe(`cut: ${(1234).toLocaleString()} bytes in all`)
  })

  test('none of it is markup', async () => {
    const evil = call({
      toolName: EVIL,
      title: EVIL,
      input: { code: EVIL, other: EVIL },
      state: 'output-available',
      output: { content: [{ type: 'text', text: EVIL }, { type: 'file', mediaType: EVIL, url: EVIL, filename: EVIL }], structured: EVIL },
      logs: [{ level: EVIL, text: EVIL }],
      approval: { id: EVIL, approved: true, reason: EVIL, by: { username: EVIL } },
      errorText: EVIL,
      parts: [{ type: 'text', text: EVIL, state: 'done' }, call({ toolName: 'ask_user', input: { questions: [{ question: EVIL, options: [EVIL] }] } })],
    })
    await draw({ transcript: after(evil) })
    await open('.jdc-tool details')
    expect(all('.jdc-tool img, .jdc-tool script')).toEqual([])
    expect(find('.jdc-tool')?.textContent).toContain(EVIL)
  })

  test.each<[string, unknown]>([
    ['no content', { content: null }],
    ['content of nothing', { content: [null, 1, 'x', { type: 'file' }, { type: 'text', text: 3 }] }],
    ['a list', [1]],
    ['a name of every object', { constructor: 1, __proto__: 2 }],
  ])('%s is drawn', async (_, output) => {
    await opened({ output, input: output })
    expect(find('.jdc-tool')).not.toBeNull()
  })
})

/** Keys that belong to a character that is being composed; the second one as Safari says it. */
const COMPOSED = [{ isComposing: true }, { keyCode: 229 }]

describe('an approval', () => {
  const asks = (more = {}) => during(call({ state: 'approval-requested', approval: { id: 'a1', ...more } }))

  test('is asked with the arguments in sight', async () => {
    await draw({ transcript: asks() })
    expect(isOpen()).toBe(true)
    expect(find('.jdc-approval')?.dataset['approvalId']).toBe('a1')
    expect(find('.jdc-tool .jdc-node')?.textContent).toBe('x: 1')
  })

  test('is given', async () => {
    await draw({ transcript: asks() })
    await click('.jdc-approve')
    expect(did).toEqual(['approve a1 true'])
    expect(find<HTMLButtonElement>('.jdc-approve')?.disabled).toBe(true)
    expect(document.activeElement?.classList.contains('jdc-tool')).toBe(true)
  })

  test('is refused, with a reason', async () => {
    await draw({ transcript: asks() })
    await type('not now', find<HTMLTextAreaElement>('.jdc-reason') as HTMLTextAreaElement)
    for (const composed of COMPOSED) await press('Enter', composed, find('.jdc-reason') as Element)
    expect(did).toEqual([])
    await click('.jdc-deny')
    expect(did).toEqual(['approve a1 false not now'])
  })

  test('can be said again when it did not come to the server', async () => {
    taken.commands = false
    await draw({ transcript: asks() })
    await click('.jdc-deny')
    await click('.jdc-approve')
    expect(did).toEqual(['approve a1 false', 'approve a1 true'])
  })

  test('for the session says so; a deadline is said', async () => {
    await draw({ transcript: asks({ scope: 'session', deadline: '2026-11-21T10:00:00.000Z' }) })
    expect(find('.jdc-approve')?.textContent).toContain('Allow for this chat')
    expect(find('.jdc-approval-words')?.textContent).toMatch(/again in this chat.*it is denied/)
  })

  test('in a turn of its own cell, too', async () => {
    await draw({ transcript: asks(), turn: 't_1' })
    await click('.jdc-approve')
    expect(did).toEqual(['approve a1 true'])
  })

  test.each(['static', 'gone'] as const)('cannot be answered in what is %s', async (state) => {
    await draw({ transcript: asks(), state })
    expect(find('.jdc-approve, .jdc-deny, .jdc-reason')).toBeNull()
  })

  test('afterwards: who said what', async () => {
    const approval = { id: 'a1', approved: true, scope: 'session', by: { username: 'ada', name: 'Ada' } } as const
    await draw({ transcript: after(call({ state: 'output-available', output: 1, approval })) })
    await open('.jdc-tool details')
    expect(find('.jdc-tool-note')?.textContent).toBe('Allowed for this chat by Ada')
    const code = { id: 'a1', approved: false, by: { username: 'ada', name: 'Ada', via: 'kernel' } } as const
    await draw({ transcript: after(call({ state: 'output-denied', approval: code })) })
    expect(find('.jdc-tool-state')?.textContent).toBe('denied by Ada, by code')
    await draw({ transcript: after(call({ state: 'output-denied', approval: { id: 'a1', approved: false, reason: 'too dear' } })) })
    expect(find('.jdc-tool-error')?.textContent).toBe('too dear')
  })

  test('afterwards: what came of it is below', async () => {
    const approval = { id: 'a1', approved: true } as const
    await draw({ transcript: after(call({ state: 'output-available', output: 'So.', approval })) })
    await open('.jdc-tool details')
    expect(find('.jdc-folded')?.textContent).toBe('Argumentsx: 1AllowedResultSo.')
  })

  test('inside of a call opens what it is in', async () => {
    const inner = call({ toolCallId: 'c2', state: 'approval-requested', approval: { id: 'a2' } })
    await draw({ transcript: during(call({ parts: [call({ toolCallId: 'c3', parts: [inner] })] })) })
    await click('.jdc-nested .jdc-nested .jdc-approve')
    expect(did).toEqual(['approve a2 true'])
  })
})

describe('questions', () => {
  const options = [{ label: 'Bars', description: 'one each' }, { label: 'Line' }]
  const asks = (...questions: object[]) =>
    during(call({ toolName: 'ask_user', waitsFor: 'person', input: { text: 'Before I go on:', questions } }))
  const field = () => find<HTMLTextAreaElement>('.jdc-free') as HTMLTextAreaElement
  const choose = (label: string) =>
    act(() => (all('.jdc-option').find(({ textContent }) => textContent?.startsWith(label))?.querySelector('input') as HTMLInputElement).click())
  const answered = () => JSON.parse(did.at(-1)?.replace('answer c1 ', '') ?? '') as unknown

  test('one, with options', async () => {
    await draw({ transcript: asks({ id: 'chart', header: 'Chart', question: 'Which chart?', options }) })
    expect(find('form.jdc-questions')?.dataset['callId']).toBe('c1')
    expect(find('.jdc-questions-before')?.textContent).toBe('Before I go on:')
    expect(find('.jdc-free, .jdc-back')).toBeNull()
    await click('.jdc-answer')
    expect(find('.jdc-question-problem')?.textContent).toBe('This needs an answer.')
    await choose('Line')
    await choose('Bars')
    expect(find('.jdc-question-problem')).toBeNull()
    await click('.jdc-answer')
    expect(answered()).toEqual({ action: 'accept', answers: { chart: 'Bars' } })
  })

  test('several, one after the other, there and back', async () => {
    await draw({
      transcript: asks(
        { question: 'Which years?', options: ['2025', '2026'], multiple: true, free_text: true },
        { question: 'How many?', kind: 'integer' },
        { question: 'Sure?', kind: 'boolean' },
        { question: 'Why?', required: false },
      ),
    })
    expect(find('.jdc-question-step')?.textContent).toBe('1 of 4')
    await choose('2026')
    await choose('2025')
    await type('2019', field())
    await click('.jdc-next')
    expect(document.activeElement).toBe(field())
    await type('3.5', field())
    await click('.jdc-next')
    expect(find('[role="alert"]')?.textContent).toBe('This takes a whole number.')
    await type('3', field())
    await click('.jdc-back')
    expect(field().value).toBe('2019')
    await click('.jdc-next')
    expect(field().value).toBe('3')
    await click('.jdc-next')
    await choose('No')
    await click('.jdc-next')
    await click('.jdc-answer')
    expect(answered()).toEqual({ action: 'accept', answers: { 1: ['2025', '2026', '2019'], 2: 3, 3: false } })
  })

  test('something else than the options', async () => {
    await draw({ transcript: asks({ question: 'Which chart?', options, free_text: true }) })
    await choose('Bars')
    await type('Pie', field())
    expect(find<HTMLInputElement>('.jdc-option input:checked')).toBeNull()
    for (const composed of COMPOSED) await press('Enter', composed, field())
    expect(did).toEqual([])
    await press('Enter', {}, field())
    expect(answered()).toEqual({ action: 'accept', answers: { 1: 'Pie' } })
  })

  test('declined, or given up; Esc stops nothing', async () => {
    await draw({ transcript: asks({ question: 'Why?' }) })
    await press('Escape', {}, field())
    expect(did).toEqual([])
    taken.commands = false
    await click('.jdc-decline')
    await click('.jdc-cancel-questions')
    expect(did).toEqual(['answer c1 {"action":"decline"}', 'answer c1 {"action":"cancel"}'])
  })

  test('a draft outlives what else comes', async () => {
    const asking = asks({ question: 'Why?' })
    await draw({ transcript: asking })
    await type('Because', field())
    const [asked, answering] = asking.messages as [Transcript['messages'][0], Transcript['messages'][0]]
    await draw({ transcript: { ...asking, messages: [asked, { ...answering, parts: [...answering.parts, call({ toolCallId: 'c2' })] }] } })
    expect(field().value).toBe('Because')
  })

  test('ids that every object has are ids', async () => {
    await draw({ transcript: asks({ id: '__proto__', question: 'a?' }, { id: 'constructor', question: 'b?' }) })
    await type('x', field())
    await click('.jdc-next')
    await type('y', field())
    await click('.jdc-answer')
    expect(did.at(-1)).toBe('answer c1 {"action":"accept","answers":{"__proto__":"x","constructor":"y"}}')
  })

  test.each<[unknown, string]>([
    [{ action: 'accept', answers: { 1: ['a', 'b'] } }, 'Why?a, b'],
    [{ action: 'accept', answers: {} }, 'Why?No answer'],
    [{ action: 'decline' }, 'Why?Declined'],
    [{ action: 'cancel' }, 'Why?Cancelled'],
    [{ action: 'constructor' }, 'Why?Not answered'],
  ])('afterwards: %j', async (output, shown) => {
    const input = { questions: [{ question: 'Why?' }] }
    await draw({ transcript: after(call({ toolName: 'ask_user', state: 'output-available', waitsFor: 'person', input, output })) })
    expect(find('form')?.classList.contains('jdc-questions')).toBe(false)
    expect(find('.jdc-answered')?.textContent).toBe(shown)
  })

  test('that are none are a call like any other', async () => {
    await draw({ transcript: during(call({ toolName: 'ask_user', waitsFor: 'person', input: { questions: [{}, null, 3] } })) })
    expect(words()).toEqual(['waits for your answer'])
  })
})

describe('a plan', () => {
  const plan = { title: 'Clean up', plan: `1. **Read**\n2. ${EVIL}` }
  const asks = () => during(call({ toolName: 'propose_plan', waitsFor: 'person', input: plan }))
  const said = () => find<HTMLTextAreaElement>('.jdc-plan-text') as HTMLTextAreaElement

  test('is read as Markdown, and approved', async () => {
    await draw({ transcript: asks() })
    expect(find('.jdc-plan strong')?.textContent).toBe('Read')
    expect(all('.jdc-plan script, .jdc-plan [onerror]')).toEqual([])
    await click('.jdc-plan-approve')
    expect(did).toEqual(['answer c1 {"decision":"approve"}'])
  })

  test('is changed, by words', async () => {
    await draw({ transcript: asks() })
    expect(find<HTMLButtonElement>('.jdc-plan-change')?.disabled).toBe(true)
    await type(' Keep it. ', said())
    for (const composed of COMPOSED) await press('Enter', composed, said())
    expect(did).toEqual([])
    await click('.jdc-plan-change')
    expect(did).toEqual(['answer c1 {"decision":"change","text":"Keep it."}'])
  })

  test('is cancelled', async () => {
    await draw({ transcript: asks() })
    await press('Escape', {}, said())
    await click('.jdc-plan-cancel')
    expect(did).toEqual(['answer c1 {"decision":"cancel"}'])
  })

  test('afterwards: what became of it', async () => {
    const output = { decision: 'change', text: 'Keep it.' }
    await draw({ transcript: after(call({ toolName: 'propose_plan', state: 'output-available', input: plan, output })) })
    expect(find('.jdc-plan')?.textContent).toBe('Plan: Clean upChanges asked forKeep it.')
    expect(find('.jdc-plan-approve')).toBeNull()
  })

  test('of an agent of its own is a list', async () => {
    const entries = [{ content: 'Read', status: 'completed' }, { content: EVIL, status: 'constructor' }, null, { status: 3 }]
    await draw({ transcript: after({ type: 'data-plan', data: { entries } }, { type: 'data-plan', data: 'x' }) })
    expect(all('.jdc-entries').length).toBe(1)
    expect(all('.jdc-entries li').map(({ textContent }) => textContent)).toEqual(['Readdone', `${EVIL}to do`, 'to do'])
  })
})

describe('what waits for somebody', () => {
  test('is said below, with the way to it, and to who does not see it', async () => {
    const asking = call({ toolCallId: 'c2', state: 'approval-requested', approval: { id: 'a1' } })
    await draw({ transcript: during(call({ waitsFor: 'kernel' }), asking) })
    expect(find('.jdc-waits')?.textContent).toContain('plot waits for your approval (and 1 more)')
    expect(find('.jdc-announcement')?.textContent).toBe('plot waits for your approval. plot waits for the kernel')
    expect(find('.jdc-waiting')).toBeNull()
    await click('.jdc-waits button')
    expect(document.activeElement?.classList.contains('jdc-approve')).toBe(true)
  })

  describe('in a view of a turn that comes later', () => {
    const asks = (part: ToolPart): Transcript => ({ ...during(part), queue: [waiting('q', 'Then?')] })

    test('an approval is asked for there too', async () => {
      const inner = call({ toolCallId: 'c2', state: 'approval-requested', approval: { id: 'a1' } })
      await draw({ transcript: asks(call({ parts: [inner] })), turn: 't_q' })
      expect(find('.jdc-first .jdc-waits')?.textContent).toBe('This waits for your answer first')
      expect(all('.jdc-tool').map(({ dataset }) => dataset['callId'])).toEqual(['c2'])
      expect(find('.jdc-first')?.nextElementSibling?.classList.contains('jdc-queue')).toBe(true)
      await click('.jdc-first .jdc-approve')
      expect(did).toEqual(['approve a1 true'])
    })

    test('so are a question and a plan', async () => {
      await draw({ transcript: asks(call({ toolName: 'ask_user', waitsFor: 'person', input: { questions: [{ question: 'Why?' }] } })), turn: 't_q' })
      expect(find('.jdc-first .jdc-question-text')?.textContent).toBe('Why?')
      await draw({ transcript: asks(call({ toolName: 'propose_plan', waitsFor: 'person', input: { plan: 'So.' } })), turn: 't_q' })
      await click('.jdc-first .jdc-plan-approve')
      expect(did).toEqual(['answer c1 {"decision":"approve"}'])
    })

    test('a kernel is named', async () => {
      await draw({ transcript: asks(call({ waitsFor: 'kernel' })), turn: 't_q' })
      expect(find('.jdc-first .jdc-waits')?.textContent).toBe('This waits for the kernel first')
      expect(find('.jdc-first .jdc-tool-note')?.textContent).toContain('run the cell that offers plot again')
    })

    test('it is gone once nothing waits, and when the turn runs', async () => {
      await draw({ transcript: asks(call({ waitsFor: 'kernel', started: { at: '2026-11-21T10:00:00.000Z' } })), turn: 't_q' })
      expect(find('.jdc-first')).toBeNull()
      await draw({ transcript: during(call({ waitsFor: 'kernel' })), turn: 't_1' })
      expect(find('.jdc-first')).toBeNull()
    })

    test('in the whole chat, and in a saved copy, it is not there', async () => {
      await draw({ transcript: asks(call({ waitsFor: 'kernel' })) })
      expect(find('.jdc-first')).toBeNull()
      await draw({ transcript: asks(call({ waitsFor: 'kernel' })), turn: 't_q', state: 'static', actions: null })
      expect(find('.jdc-first')).toBeNull()
    })
  })

  test('is of the turn that is shown, and runs', () => {
    const asking = call({ state: 'approval-requested', approval: { id: 'a1' } })
    const waits = (...args: Parameters<typeof waitingCalls>) => waitingCalls(...args).length
    expect([waits(during(asking), null), waits(during(asking), 't_1'), waits(during(asking), 't_0')]).toEqual([1, 1, 0])
    expect(waits(after(asking), null)).toBe(0)
    expect(waits(null, null)).toBe(0)
  })
})

describe('who answers, and how', () => {
  beforeEach(() => {
    taken.agents = {
      default: 'demo',
      agents: [
        { name: 'demo', description: 'no key', models: [], efforts: [], available: true, why: null },
        { name: 'analyst', models: ['a:1', 'b:2'], efforts: ['low', 'high'], available: true, why: null },
        { name: 'coder', models: ['c:3'], available: false, why: 'No key is set.' },
      ],
    }
  })
  const labelled = (label: string) => all('.jdc-choices button').find(({ textContent }) => textContent === label) as HTMLButtonElement
  const pick = (label: string) => act(() => labelled(label).click())
  const pressed = () => all('.jdc-choices [aria-pressed="true"]').map(({ textContent }) => textContent)

  test('is asked for when the picker is opened, not before', async () => {
    await draw({ transcript: transcript([]) })
    expect(did).toEqual([])
    await click('.jdc-pick')
    expect(did).toEqual(['agents', 'agents again'])
    expect(pressed()).toEqual(['demo'])
    expect(labelled('coder').disabled).toBe(true)
    expect(find('[data-agent="coder"]')?.textContent).toBe('coderNo key is set.')
    await pick('b:2')
    expect(did.at(-1)).toBe('choose {"agent":"analyst","model":"b:2","effort":null}')
    expect(find('.jdc-choices')).toBeNull()
    expect(document.activeElement?.classList.contains('jdc-pick')).toBe(true)
  })

  test('shows what is chosen, and how hard it is to think', async () => {
    await draw({ transcript: transcript([], { agent: 'analyst', model: 'a:1', effort: 'low' }) })
    expect(find('.jdc-pick')?.textContent).toBe('a:1 · low')
    await click('.jdc-pick')
    expect(pressed()).toEqual(['a:1', 'low'])
    await pick('usual')
    expect(did.at(-1)).toBe('choose {"effort":null}')
  })

  test('a change of the model keeps the effort; Esc closes and stops nothing', async () => {
    await draw({ transcript: { ...running('Half'), agent: 'analyst', model: 'a:1', effort: 'low' } })
    await click('.jdc-pick')
    await press('Escape', {}, find('.jdc-choices') as Element)
    expect(find('.jdc-choices')).toBeNull()
    expect(did).toEqual(['agents', 'agents again'])
    await click('.jdc-pick')
    await pick('b:2')
    expect(did.at(-1)).toBe('choose {"agent":"analyst","model":"b:2"}')
  })

  test('where nobody is chosen, the one who answers then is named when somebody begins to write', async () => {
    await draw({ transcript: transcript([]) })
    expect(find('.jdc-pick')?.textContent).toBe('Agent')
    await act(async () => input().focus())
    await act(async () => undefined) // the answer comes
    expect(find('.jdc-pick')?.textContent).toBe('demo')
    await act(async () => input().blur())
    await act(async () => input().focus())
    expect(did).toEqual(['agents'])
  })

  test('the mode', async () => {
    await draw({ transcript: transcript([]) })
    const mode = find<HTMLSelectElement>('select.jdc-mode') as HTMLSelectElement
    expect(mode.value).toBe('act')
    mode.value = 'plan'
    await act(() => void mode.dispatchEvent(new Event('change', { bubbles: true })))
    expect(did).toEqual(['choose {"mode":"plan"}'])
    await draw({ transcript: transcript([], { mode: 'ask' }) })
    expect(mode.value).toBe('ask')
  })

  test('a message that waits keeps the mode that it was sent with', async () => {
    const queued = waiting('q', 'Then?')
    const keeps = { ...queued, metadata: { ...queued.metadata, resolved_mode: 'plan' } }
    await draw({ transcript: { ...running('Half'), queue: [keeps, waiting('r', 'And?')] } })
    expect(all('.jdc-queued-text').map(({ textContent }) => textContent)).toEqual(['Then? · plan mode', 'And?'])
  })

  test('an answer is given again by another', async () => {
    await draw({ transcript: after({ type: 'text', text: 'So.' }) })
    await click('.jdc-retry-with')
    expect(find('.jdc-retry-with')?.getAttribute('aria-expanded')).toBe('true')
    expect([pressed(), find('.jdc-efforts')]).toEqual([[], null])
    await pick('a:1')
    expect(did.at(-1)).toBe('retry a_t_1 {"agent":"analyst","model":"a:1","effort":null}')
    expect(find('.jdc-choices')).toBeNull()
  })
})

describe('attachments', () => {
  const file = (name: string, type = 'image/png', size = 3) => new File(['x'.repeat(size)], name, { type })
  const data = (files: File[], types = ['Files']) => ({ files, types }) as unknown as DataTransfer

  async function give(event: 'drop' | 'paste', files: File[], types?: string[]): Promise<Event> {
    const given = new Event(event, { bubbles: true, cancelable: true })
    Object.assign(given, { dataTransfer: data(files, types), clipboardData: data(files, types) })
    await act(() => void find('textarea.jdc-input')?.dispatchEvent(given))
    return given
  }

  const states = () => all('.jdc-attachment').map(({ dataset, textContent }) => `${dataset['state']} ${textContent}`)

  test('what is dropped is stored, and sent as a part', async () => {
    await draw({ transcript: transcript([]) })
    expect((await give('drop', [file('a.png'), file('b.csv', 'text/csv')])).defaultPrevented).toBe(true)
    expect(states()).toEqual(['ready a.png3 B', 'ready b.csv3 B'])
    expect(all('.jdc-attachment img').map((img) => img.getAttribute('src'))).toEqual(['blob:1'])
    await press('Enter')
    const part = (name: string, mediaType: string) => ({ type: 'file', mediaType, url: `attachment:${HASH}`, filename: name })
    expect(did.slice(2)).toEqual(['revoke blob:1', `send  ${JSON.stringify([part('a.png', 'image/png'), part('b.csv', 'text/csv')])}`])
    expect(states()).toEqual([])
  })

  test('what is pasted, unless it is text with a picture of it', async () => {
    await draw({ transcript: transcript([]) })
    expect((await give('paste', [file('table.png')], ['text/plain', 'Files'])).defaultPrevented).toBe(false)
    expect((await give('paste', [file('shot.png')])).defaultPrevented).toBe(true)
    expect(states()).toEqual(['ready shot.png3 B'])
    await click('.jdc-detach')
    expect(states()).toEqual([])
    expect(find<HTMLButtonElement>('.jdc-send')?.disabled).toBe(true)
  })

  test('what is refused says why, and is not sent', async () => {
    await draw({ transcript: transcript([]) })
    await give('drop', [file('big.png', 'image/png', 200)])
    expect(states()).toEqual(['failed big.pngThe file is too large.'])
    await type('Look')
    await press('Enter')
    expect(did.at(-1)).toBe('send Look')
  })

  test('a message waits for its files', async () => {
    const upload = vi.spyOn(actions, 'upload').mockReturnValue(new Promise(() => undefined))
    await draw({ transcript: transcript([]) })
    await give('drop', [file('a.png')])
    await type('Look')
    await press('Enter')
    expect(find('.jdc-hint')?.textContent).toContain('when the files are there')
    expect(did.filter((line) => line.startsWith('send'))).toEqual([])
    upload.mockRestore()
  })

  test('who leaves the page while a file is on its way is asked', async () => {
    const leaves = () => !dispatchEvent(new Event('beforeunload', { cancelable: true }))
    let stored: (error: Error) => void = () => undefined
    const upload = vi.spyOn(actions, 'upload').mockReturnValue(new Promise((_, reject) => (stored = reject)))
    await draw({ transcript: transcript([]) })
    expect(leaves()).toBe(false)
    await give('drop', [file('a.png')])
    expect(leaves()).toBe(true)
    await act(() => stored(new Error('No.')))
    await vi.waitFor(() => expect(leaves()).toBe(false))
    upload.mockRestore()
  })

  test('a text that is dragged is not ours', async () => {
    await draw({ transcript: transcript([]) })
    expect((await give('drop', [], ['text/plain'])).defaultPrevented).toBe(false)
  })

  const sent = (part: object) => transcript([question('Look', 't_1', [part as Part])])

  test('a picture in a message is fetched, and let go with it', async () => {
    await draw({ transcript: sent({ type: 'file', mediaType: 'image/png', url: `attachment:${HASH}`, filename: 'a.png' }) })
    expect(find('.jdc-bubble img')?.getAttribute('src')).toBe('blob:1')
    await draw({ transcript: transcript([]) })
    expect(did).toEqual([`fetch attachment:${HASH}`, 'revoke blob:1'])
  })

  test('any other file is saved on demand, and never as what it says it is', async () => {
    const made = vi.spyOn(URL, 'createObjectURL')
    const saved = vi.spyOn(HTMLAnchorElement.prototype, 'click').mockReturnValue()
    await draw({ transcript: sent({ type: 'file', mediaType: 'text/html', url: `attachment:${HASH}`, filename: 'a.html' }) })
    expect(did).toEqual([])
    await click('.jdc-download')
    expect(did).toEqual([`fetch attachment:${HASH}`])
    expect((made.mock.calls[0]?.[0] as Blob).type).toBe('application/octet-stream')
    expect((saved.mock.contexts[0] as HTMLAnchorElement).download).toBe('a.html')
    saved.mockRestore()
  })

  test('where nothing can be asked, it is named', async () => {
    await draw({ transcript: sent({ type: 'file', mediaType: 'image/png', url: `attachment:${HASH}`, filename: 'a.png' }), state: 'static' })
    expect(find('.jdc-bubble .jdc-chip')?.textContent).toBe('a.png')
    expect(did).toEqual([])
  })

  test('cells and variables open their text', async () => {
    await draw({ transcript: sent({ type: 'data-cell', data: { label: 'cell 3', text: EVIL } }) })
    expect(find('.jdc-snippet')?.textContent).toBe('cell 3')
    await open('.jdc-snippet')
    expect(find('.jdc-snippet pre')?.textContent).toBe(EVIL)
    await draw({ transcript: sent({ type: 'data-variable', data: null }) })
    expect(find('.jdc-snippet')?.textContent).toBe('without a name')
  })
})

describe('what an answer cost', () => {
  test.each([
    [{ cost_usd: 0.01234 }, '$0.0123'],
    [{ cost_usd: 1.5 }, '$1.50'],
    [{ cost_usd: 0 }, '$0'],
    [{ cost_usd: 0.00001 }, '< $0.0001'],
  ])('%j', async (usage, shown) => {
    await draw({ transcript: transcript([question('Why?'), answer(['So.'], { usage })]) })
    expect(find('.jdc-facts')?.textContent).toBe(`demo · ${shown}`)
  })

  test.each<[string, ToolPart, string]>([
    ['a call', call(), 'demo · 3.5 s'],
    ['a call in a kernel', call({ waitsFor: 'kernel' }), 'demo'],
    ['an approval inside of a call', call({ parts: [call({ toolCallId: 'c2', approval: { id: 'a1', approved: true } })] }), 'demo'],
    ['a question', call({ toolName: 'ask_user', waitsFor: 'person' }), 'demo'],
  ])('the time of a person or a kernel is not that of the answer: %s', async (_, part, shown) => {
    const facts = { at: '2026-11-21T10:00:01.000Z', finished_at: '2026-11-21T10:00:04.500Z' }
    const done = { ...part, state: 'output-available', output: 1 } as const
    await draw({ transcript: transcript([question('Why?'), answer([done], facts)]) })
    expect(find('.jdc-facts')?.textContent).toBe(shown)
  })

  test('how full the context is, the mode, and the effort', async () => {
    const facts = { context: { tokens: 23_100, window: 200_000 }, mode: 'plan', effort: 'high' } as const
    await draw({ transcript: transcript([question('Why?'), answer(['So.'], facts)]) })
    expect(find('.jdc-facts')?.textContent).toBe('demo, high · plan mode · context 12% full')
    expect(find('.jdc-fact-line')?.title).toContain(`${(23_100).toLocaleString()} of ${(200_000).toLocaleString()} tokens in the context`)
  })

  test('a budget that is used up', async () => {
    const error = { category: 'budget', text: 'This session may use 10 tokens.', recoverable: false }
    await draw({ transcript: transcript([question('Why?'), answer(['So.'], { outcome: 'failed', error })]) })
    expect(find('.jdc-outcome')?.textContent).toBe('The budget is used upThis session may use 10 tokens.')
  })
})
