// @vitest-environment jsdom
/** A chat in each of its states, and what a person can do in it. */

import { beforeEach, describe, expect, test } from 'vitest'
import { all, did, draw, find, input, open, press, type } from './drawn'
import { answer, question, running, transcript } from './transcripts'

describe('writing', () => {
  beforeEach(() => draw({ transcript: transcript([]) }))

  test('Enter sends and empties the input', async () => {
    await type('  What?\n')
    expect((await press('Enter')).defaultPrevented).toBe(true)
    expect(did).toEqual(['send   What?\n'])
    expect(input().value).toBe('')
  })

  test('the button sends', async () => {
    expect(find<HTMLButtonElement>('button.jdc-send')?.disabled).toBe(true)
    await type('What?')
    find('button.jdc-send')?.click()
    expect(did).toEqual(['send What?'])
  })

  test.each([
    ['Shift+Enter', { shiftKey: true }],
    ['Alt+Enter', { altKey: true }],
    ['Enter in the middle of a composed character', { isComposing: true }],
  ])('%s is not ours', async (_, modifiers) => {
    await type('What?')
    expect((await press('Enter', modifiers)).defaultPrevented).toBe(false)
    expect(did).toEqual([])
    expect(input().value).toBe('What?')
  })

  test('nothing is not sent', async () => {
    await type(' \n')
    await press('Enter')
    expect(did).toEqual([])
  })

  test('Esc without an answer that runs is not ours', async () => {
    expect((await press('Escape')).defaultPrevented).toBe(false)
    expect(did).toEqual([])
  })
})

describe('while an answer comes', () => {
  beforeEach(() => draw({ transcript: running('Half an ans') }))

  test('what is there is shown, and that more comes', () => {
    expect(find('[data-role="assistant"] .jdc-text')?.textContent).toBe('Half an ans\n')
    expect(find('[role="feed"] [data-role="assistant"]')?.getAttribute('aria-setsize')).not.toBeNull()
    expect(find('.jdc-announcement')?.textContent).toBe('Answering')
  })

  test('Esc and the button stop it', async () => {
    // These give up a character that is being composed; the second one as Safari says it.
    for (const composed of [{ isComposing: true }, { keyCode: 229 }]) await press('Escape', composed)
    expect(did).toEqual([])
    expect((await press('Escape')).defaultPrevented).toBe(true)
    find('button.jdc-stop')?.click()
    expect(did).toEqual(['stop', 'stop'])
  })

  test('a stop that is on its way cannot be pressed again', async () => {
    await draw({ transcript: running('Half', true) })
    expect(find<HTMLButtonElement>('button.jdc-stop')?.disabled).toBe(true)
  })

  test('what is sent waits for its turn, and that is said', async () => {
    expect(find('.jdc-hint')).toBeNull()
    await type('Next?')
    expect(find('.jdc-hint')?.textContent).toBe('Waits for its turn')
    await press('Enter')
    expect(did).toEqual(['send Next?'])
    expect(input().value).toBe('')
    expect(find('.jdc-hint')).toBeNull()
  })

  test('before the first token it is said that one waits', async () => {
    await draw({ transcript: running('') })
    expect(find('.jdc-waiting')?.getAttribute('aria-label')).toBe('The answer is on its way')
  })

  test('its end is announced', async () => {
    await draw({ transcript: transcript([question('Why?'), answer(['Half'], { outcome: 'stopped' })]) })
    expect(find('.jdc-announcement')?.textContent).toBe('Answer stopped')
    expect(find('button.jdc-stop')).toBeNull()
  })
})

describe('how an answer ended', () => {
  test.each([
    ['completed', null],
    ['stopped', 'Stopped'],
    ['failed', 'The answer failed'],
    ['truncated', 'Cut off'],
    ['interrupted', 'Interrupted'],
  ] as const)('%s', async (outcome, title) => {
    await draw({ transcript: transcript([question('Why?'), answer(['Half'], { outcome })]) })
    expect(find('[data-message-id="a_t_1"]')?.dataset['outcome']).toBe(outcome)
    expect(find('[data-role="assistant"] .jdc-text')?.textContent).toBe('Half\n')
    expect(find('.jdc-outcome b')?.textContent ?? null).toBe(title)
  })

  test('with its reason', async () => {
    const error = { category: 'rate', text: 'wait 20 s <b>', recoverable: true }
    await draw({ transcript: transcript([question('Why?'), answer([], { outcome: 'failed', error })]) })
    expect(find('.jdc-outcome')?.textContent).toBe('The answer failedwait 20 s <b>')
  })

  test('who answered, how many tokens, how long', async () => {
    const facts = { usage: { input_tokens: 5, output_tokens: 1234 }, at: '2026-11-20T20:15:01.000Z', finished_at: '2026-11-20T20:15:04.500Z' }
    await draw({ transcript: transcript([question('Why?'), answer(['So.'], facts)]) })
    expect(find('.jdc-facts')?.textContent).toBe(`demo · ${(1234).toLocaleString()} tokens · 3.5 s`)
  })

  test('a copy that was saved while it ran', async () => {
    await draw({ transcript: running('Half'), state: 'static', actions: null })
    expect(find('.jdc-outcome b')?.textContent).toBe('Unfinished')
    expect(find('.jdc-waiting, .jdc-stop, .jdc-growing')).toBeNull()
  })
})

describe('parts', () => {
  test('what a person wrote is shown as it was written', async () => {
    await draw({ transcript: transcript([question('**a** <b>\n  c')]) })
    expect(find('[data-role="user"] .jdc-text')?.innerHTML).toBe('**a** &lt;b&gt;\n  c')
  })

  test('a tool call: its name, its state, and on demand its input and output', async () => {
    const call = { type: 'dynamic-tool', toolName: 'mean', toolCallId: 'c', input: { column: 'price' } } as const
    await draw({
      transcript: transcript([
        question('Why?'),
        answer([{ ...call, state: 'output-available', output: [1] }, { ...call, state: 'output-error', errorText: 'no such column' }]),
      ]),
    })
    expect(all('.jdc-tool').map((tool) => tool.textContent)).toEqual(['meancolumn: pricedone', 'meancolumn: pricefailedno such column'])
    expect(find('.jdc-tree')).toBeNull()
    await open('.jdc-tool details')
    expect(all('.jdc-node').map((node) => node.textContent)).toEqual(['column: “price”', '0: 1'])
  })

  test('reasoning is folded', async () => {
    await draw({ transcript: transcript([question('Why?'), answer([{ type: 'reasoning', text: 'Hm **m**' }, 'So.'])]) })
    expect(find('.jdc-reasoning')?.textContent).toBe('Reasoning')
    await open('.jdc-reasoning')
    expect(find('.jdc-reasoning strong')?.textContent).toBe('m')
  })

  test('sources and files open outside, if they lead anywhere', async () => {
    await draw({
      transcript: transcript([
        question('Why?'),
        answer([
          { type: 'source-url', sourceId: 'a', url: 'https://a.example/x', title: 'A' },
          { type: 'source-url', sourceId: 'b', url: 'javascript:attack()', title: 'B' },
          { type: 'file', mediaType: 'text/html', url: 'data:text/html,<script>attack()</script>', filename: 'c.html' },
        ]),
      ]),
    })
    await open('.jdc-sources')
    expect(all('.jdc-sources li > :first-child, .jdc-chip').map((link) => [link.textContent, link.getAttribute('href'), link.title])).toEqual([
      ['c.html', null, ''],
      ['A', 'https://a.example/x', 'https://a.example/x'],
      ['B', null, ''],
    ])
  })

  test('a picture: from its own bytes at once, from elsewhere after a press', async () => {
    await draw({
      transcript: transcript([
        question('Why?', 't_1', [{ type: 'file', mediaType: 'image/png', url: 'data:image/png;base64,AAAA', filename: 'p.png' }]),
        answer([{ type: 'file', mediaType: 'image/png', url: 'https://plots.example/q.png' }]),
      ]),
    })
    expect(all('img').map((image) => image.getAttribute('src'))).toEqual(['data:image/png;base64,AAAA'])
    find('.jdc-load-image')?.click()
    expect(all('img').map((image) => image.getAttribute('src'))[1]).toBe('https://plots.example/q.png')
  })
})

describe('the connection', () => {
  test.each([
    ['live', 'live', null],
    ['idle', 'ready', null],
    ['connecting', 'connecting…', null],
    ['offline', 'offline', 'No connection'],
    ['gone', 'gone', 'does not have this conversation'],
  ] as const)('%s is shown', async (state, label, notice) => {
    await draw({ transcript: transcript([question('Why?'), answer(['So.'])]), state })
    expect(find('.jdc-state')?.textContent).toBe(label)
    if (notice) expect(find('.jdc-notice')?.textContent).toContain(notice)
    else expect(find('.jdc-notice')).toBeNull()
  })

  test('offline offers to try now', async () => {
    await draw({ transcript: transcript([]), state: 'offline' })
    find('.jdc-notice button')?.click()
    expect(did).toEqual(['reconnect'])
  })

  test('what is gone has no input', async () => {
    await draw({ transcript: transcript([question('Why?')]), state: 'gone' })
    expect(input()).toBeNull()
  })

  test('what cannot be asked has no input, and says why', async () => {
    await draw({ transcript: transcript([question('Why?')]), state: 'static', actions: null, notice: 'No server: start one.' })
    expect(input()).toBeNull()
    expect(find('.jdc-notice')?.textContent).toBe('No server: start one.')
  })

  test('a message that is not there yet, and one that did not get there', async () => {
    const outbox = [
      { clientId: 'c_1', text: 'One', error: null, edits: null },
      { clientId: 'c_2', text: 'Two', error: 'The server is busy.', edits: null },
    ]
    await draw({ transcript: transcript([]), outbox })
    expect(all('.jdc-outgoing').map((item) => item.textContent)).toEqual([
      'OneSending…',
      'TwoNot sent. The server is busy.Send againEditDiscard',
    ])
    for (const button of all('.jdc-unsent button')) button.click()
    expect(did).toEqual(['resend c_2', 'discard c_2'])
  })
})

test('an empty chat invites', async () => {
  await draw({ transcript: transcript([]), state: 'idle' })
  expect(find('.jdc-empty')?.textContent).toContain('What would you like to know?')
})

test('a cell of one turn shows that turn, without an input, with a way to stop it', async () => {
  const { messages, turn, status } = running('Half')
  const earlier = [question('First?', 't_0'), answer(['1'], {}, 't_0')]
  await draw({ transcript: transcript([...earlier, ...messages], { turn, status }), turn: 't_1' })
  expect(all('.jdc-message').map((message) => message.dataset['messageId'])).toEqual(['q_t_1', 'a_t_1'])
  expect(input()).toBeNull()
  find('button.jdc-stop')?.click()
  expect(did).toEqual(['stop'])
  await draw({ transcript: transcript([...earlier, ...messages], { turn, status }), turn: 't_0' })
  expect(find('button.jdc-stop')).toBeNull()
})

test('what a saved copy leaves out is said', async () => {
  await draw({ transcript: transcript([question('Why?')], { omitted: 2 }), state: 'static', actions: null })
  expect(find('.jdc-aside')?.textContent).toBe('2 earlier messages are left out')
})

test('a message that did not change is not drawn again', async () => {
  const kept = answer(['Same.'], {}, 't_0')
  await draw({ transcript: transcript([question('First?', 't_0'), kept]) })
  const text = find('[data-message-id="a_t_0"] .jdc-text')
  if (text) text.textContent = 'touched'
  const { messages, turn } = running('Half')
  await draw({ transcript: transcript([question('First?', 't_0'), kept, ...messages], { turn, status: 'streaming' }) })
  expect(find('[data-message-id="a_t_0"] .jdc-text')?.textContent).toBe('touched')
})
