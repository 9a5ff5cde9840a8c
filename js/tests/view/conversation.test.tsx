// @vitest-environment jsdom
/** What a person can do with messages that are there already, and with those that wait. */

import { act } from 'preact/test-utils'
import { beforeEach, describe, expect, test } from 'vitest'
import type { Transcript, UIMessage } from '../../src/transcript'
import { actions, all, click, did, draw, editor, find, input, press, type } from './drawn'
import { answer, question, running, transcript, waiting } from './transcripts'

/** The message as it lies in the log's tree. */
function at(message: UIMessage, lsn: number, parent: string | null, id = message.id): UIMessage {
  return { ...message, id, metadata: { ...message.metadata, lsn, parent } }
}

const asked = at(question('Why?'), 1, null)
const answers = [3, 6, 9].map((lsn, n) => at(answer([`Answer ${n + 1}`]), lsn, asked.id, `a${n + 1}`)) as [UIMessage, UIMessage, UIMessage]

/** Three answers to one question, of which one is shown. */
function withVersions(shown: number, more: Partial<Transcript> = {}): Transcript {
  const others = answers.filter((_, n) => n !== shown - 1)
  return transcript([asked, answers[shown - 1] as UIMessage], { others, ...more })
}

const names = (selector: string) => all(`${selector} button`).map((button) => button.getAttribute('aria-label') ?? button.textContent)
const isDisabled = (selector: string) => find<HTMLButtonElement>(selector)?.disabled

describe('an answer', () => {
  test('is given again', async () => {
    await draw({ transcript: transcript([question('Why?'), answer(['So.'])]) })
    await click('button.jdc-retry')
    expect(did).toEqual(['retry a_t_1'])
  })

  test.each(['stopped', 'failed', 'truncated', 'interrupted'] as const)('that is %s goes on', async (outcome) => {
    await draw({ transcript: transcript([question('Why?'), answer(['Half'], { outcome })]) })
    await click('button.jdc-continue')
    expect(did).toEqual(['continue a_t_1'])
  })

  test.each([
    ['is complete', [question('Why?'), answer(['So.'])]],
    ['has no text', [question('Why?'), answer([], { outcome: 'failed' })]],
    ['is not the last one', [question('Why?'), answer(['Half'], { outcome: 'stopped' }), question('And?', 't_2')]],
  ])('that %s does not', async (_, messages) => {
    await draw({ transcript: transcript(messages) })
    expect(find('button.jdc-continue')).toBeNull()
  })

  test('that was gone on with does not count the time in between', async () => {
    const times = { at: '2026-11-20T20:15:00.000Z', finished_at: '2026-11-21T20:15:00.000Z', continued: [{ turn: 't_0' }] }
    await draw({ transcript: transcript([question('Why?'), answer(['So.'], times)]) })
    expect(find('.jdc-facts')?.textContent).toBe('demo')
  })

  test('goes on inside a word', async () => {
    const half = answer(['Half an ans'], { outcome: 'stopped' })
    await draw({ transcript: transcript([question('Why?'), half]) })
    const going = { ...running('').turn, message_id: half.id } as Transcript['turn']
    const longer = { ...half, parts: [{ type: 'text', text: 'Half an answer', state: 'streaming' }] } as UIMessage
    await draw({ transcript: transcript([question('Why?'), longer], { turn: going }) })
    expect(find('[data-role="assistant"] .jdc-text')?.innerHTML).toBe('<p>Half an answer</p>\n')
  })

  test('nothing can be asked for while one comes', async () => {
    const { messages, turn } = running('Half', false)
    const before = [question('First?', 't_0'), answer(['1'], {}, 't_0')]
    await draw({ transcript: transcript([...before, ...messages], { turn }) })
    expect(isDisabled('[data-message-id="a_t_0"] .jdc-retry')).toBe(true)
    expect(isDisabled('[data-message-id="q_t_0"] .jdc-edit')).toBe(true)
    expect(find('[data-message-id="a_t_1"] .jdc-retry')).toBeNull()
  })
})

describe('versions', () => {
  test('are counted, and one steps through them', async () => {
    await draw({ transcript: withVersions(2) })
    expect(find('.jdc-versions')?.getAttribute('aria-label')).toBe('Version 2 of 3')
    expect(find('.jdc-versions')?.textContent).toBe('2/3')
    expect(names('.jdc-versions')).toEqual(['Previous version', 'Next version'])
    await click('[aria-label="Previous version"]')
    await click('[aria-label="Next version"]')
    expect(did).toEqual(['show a1', 'show a3'])
  })

  test('end at the first and the last', async () => {
    await draw({ transcript: withVersions(1) })
    expect(isDisabled('[aria-label="Previous version"]')).toBe(true)
    await draw({ transcript: withVersions(3) })
    expect(isDisabled('[aria-label="Next version"]')).toBe(true)
  })

  test('the focus goes along, so that one can step on', async () => {
    await draw({ transcript: withVersions(1) })
    await click('[aria-label="Next version"]')
    await draw({ transcript: withVersions(2) })
    expect(document.activeElement?.getAttribute('aria-label')).toBe('Next version')
    await click('[aria-label="Next version"]')
    await draw({ transcript: withVersions(3) })
    expect(document.activeElement?.getAttribute('aria-label')).toBe('Previous version')
  })

  test('a change from elsewhere takes no focus', async () => {
    await draw({ transcript: withVersions(1) })
    input().focus()
    await draw({ transcript: withVersions(2) })
    expect(document.activeElement).toBe(input())
  })

  test('of a question', async () => {
    const second = at(question('Why not?', 't_2'), 5, null)
    await draw({ transcript: transcript([second], { others: [asked, answers[0]] }) })
    expect(find('[data-role="user"] .jdc-versions')?.textContent).toBe('2/2')
    await click('[aria-label="Previous version"]')
    expect(did).toEqual([`show ${asked.id}`])
  })

  test('stay as they are while an answer comes', async () => {
    const { turn, messages } = running('Half')
    const following = messages.map((message) => ({ ...message, metadata: { ...message.metadata, lsn: 12, parent: 'a2' } }))
    await draw({ transcript: transcript([asked, answers[1], ...following], { others: [answers[0], answers[2]], turn }) })
    expect(isDisabled('[aria-label="Previous version"]')).toBe(true)
    expect(isDisabled('[aria-label="Next version"]')).toBe(true)
  })
})

describe('editing a question', () => {
  beforeEach(() => draw({ transcript: transcript([question('Why?'), answer(['So.'])]) }))

  test('Enter sends it as another version', async () => {
    await click('button.jdc-edit')
    expect(document.activeElement).toBe(editor())
    expect(editor().value).toBe('Why?')
    await type('Why not?', editor())
    await press('Enter', {}, editor())
    expect(did).toEqual(['retry q_t_1 Why not?'])
    expect(editor()).toBeNull()
  })

  test('Esc leaves it as it was, and gives the focus back', async () => {
    await click('button.jdc-edit')
    await type('Why not?', editor())
    await press('Escape', {}, editor())
    expect(did).toEqual([])
    expect(find('[data-role="user"] .jdc-text')?.textContent).toBe('Why?')
    expect(document.activeElement).toBe(find('button.jdc-edit'))
    expect(input().value).toBe('')
  })

  test('what was not changed is not asked again', async () => {
    await click('button.jdc-edit')
    await press('Enter', {}, editor())
    expect(did).toEqual([])
    expect(editor()).toBeNull()
  })

  test('nothing is not sent', async () => {
    await click('button.jdc-edit')
    await type(' ', editor())
    expect(isDisabled('button.jdc-save')).toBe(true)
    await press('Enter', {}, editor())
    expect(did).toEqual([])
    expect(editor()).not.toBeNull()
  })

  test('it can be written, not sent, while another answer comes', async () => {
    await click('button.jdc-edit')
    const { turn, messages } = running('Half')
    await draw({ transcript: transcript([question('Why?'), answer(['So.']), ...messages.slice(1)], { turn }) })
    await type('Why not?', editor())
    await press('Enter', {}, editor())
    expect(did).toEqual([])
    expect(find('.jdc-editor')?.textContent).toContain('when the answer is over')
    await press('Escape', {}, editor())
    expect(did).toEqual([])
  })

  test('what was written is in the input when the question has gone', async () => {
    await type('Draft', input())
    await click('button.jdc-edit')
    await type('Why not?', editor())
    await draw({ transcript: transcript([question('Another branch', 't_9')]) })
    expect(input().value).toBe('Draft\n\nWhy not?')
    expect(find('.jdc-hint')?.textContent).toContain('This is your text.')
  })

  test('on its way it stands in its place; refused, it can be sent again', async () => {
    const edit = { clientId: 'c_1', text: 'Why not?', edits: 'q_t_1' }
    const messages = [question('Why?'), answer(['So.'])]
    await draw({ transcript: transcript(messages), outbox: [{ ...edit, error: null }] })
    expect(find('[data-message-id="q_t_1"]')?.textContent).toBe('Why not?Sending…')
    await draw({ transcript: transcript(messages), outbox: [{ ...edit, error: 'The server is busy.' }] })
    await click('.jdc-unsent .jdc-link')
    expect(did).toEqual(['resend c_1'])
  })
})

describe('the queue', () => {
  const queue = [waiting('w1', 'First'), waiting('w2', 'Second'), waiting('w3', 'Third')]
  const busy = running('Half')
  const withQueue = (more: Partial<Transcript> = {}) => ({ ...busy, queue, ...more })
  const held = (reason: string) => transcript(busy.messages, { queue, held: reason })

  test('says what waits, in its order', async () => {
    await draw({ transcript: withQueue() })
    expect(find('.jdc-queue [role="status"]')?.textContent).toBe('3 messages wait for their turn')
    expect(all('.jdc-queued').map((row) => [row.dataset['messageId'], row.textContent])).toEqual([
      ['w1', 'First'],
      ['w2', 'Second'],
      ['w3', 'Third'],
    ])
    expect(find('.jdc-composer + .jdc-queue')?.dataset['held']).toBeUndefined()
    expect(find('button.jdc-resume')).toBeNull()
    await draw({ transcript: withQueue({ queue: queue.slice(0, 1) }) })
    expect(find('.jdc-queue [role="status"]')?.textContent).toBe('1 message waits for its turn')
    await draw({ transcript: busy })
    expect(find('.jdc-queue')).toBeNull()
  })

  test('is moved by buttons, which keep the focus', async () => {
    await draw({ transcript: withQueue() })
    expect(isDisabled('[data-message-id="w1"] .jdc-move-up')).toBe(true)
    expect(isDisabled('[data-message-id="w3"] .jdc-move-down')).toBe(true)
    await click('[data-message-id="w2"] .jdc-move-up')
    expect(did).toEqual(['order w2 w1 w3'])
    await draw({ transcript: withQueue({ queue: [queue[1], queue[0], queue[2]] as UIMessage[] }) })
    expect(document.activeElement).toBe(find('[data-message-id="w2"] .jdc-move-down'))
    await click('[data-message-id="w2"] .jdc-move-down')
    expect(did.at(-1)).toBe('order w1 w2 w3')
  })

  describe('is moved by dragging', () => {
    const rows = () => all('.jdc-queued').sort((one, other) => Number(one.style.order) - Number(other.style.order))
    const order = () => rows().map(({ dataset }) => dataset['messageId'])
    const point = (type: string, clientY = 0) => new MouseEvent(type, { bubbles: true, cancelable: true, clientY, button: 0 })
    const handle = (id: string) => find(`[data-message-id="${id}"] .jdc-drag`) as HTMLElement
    const at = (type: string, clientY?: number) => act(() => void handle('w1').dispatchEvent(point(type, clientY)))

    beforeEach(async () => {
      await draw({ transcript: withQueue() })
      handle('w1').setPointerCapture = () => undefined
      for (const row of all('.jdc-queued')) row.getBoundingClientRect = () => new DOMRect(0, 40 * rows().indexOf(row), 100, 40)
      await at('pointerdown')
      await at('pointermove', 70)
    })

    test('where it is let go', async () => {
      expect(order()).toEqual(['w2', 'w1', 'w3'])
      expect(did).toEqual([])
      await at('pointermove', 119)
      await at('pointerup')
      expect(did).toEqual(['order w2 w3 w1'])
      expect(order()).toEqual(['w2', 'w3', 'w1'])
      await draw({ transcript: withQueue({ queue: [queue[2], queue[1], queue[0]] as UIMessage[] }) })
      expect(order()).toEqual(['w3', 'w2', 'w1']) // as the server has it
    })

    test('but not back to where it was', async () => {
      await at('pointermove', 10)
      await at('pointerup')
      expect(did).toEqual([])
    })

    test('Esc leaves it where it was, and stops nothing', async () => {
      await press('Escape')
      expect(order()).toEqual(['w1', 'w2', 'w3'])
      await at('pointerup')
      expect(did).toEqual([])
    })

    test('a row that has gone meanwhile takes no key with it', async () => {
      await draw({ transcript: withQueue({ queue: queue.slice(1) }) })
      expect((await press('Escape')).defaultPrevented).toBe(true)
      expect(did).toEqual(['stop'])
    })

    test('not if the list changes meanwhile', async () => {
      await draw({ transcript: withQueue({ queue: queue.slice(0, 2) }) })
      await at('pointermove', 70)
      await at('pointerup')
      expect(did).toEqual([])
    })
  })

  test('one message has no order', async () => {
    await draw({ transcript: withQueue({ queue: queue.slice(0, 1) }) })
    expect(names('.jdc-queued')).toEqual(['Edit message', 'Remove message'])
  })

  test('a message is taken away, and the focus goes to the next one', async () => {
    await draw({ transcript: withQueue() })
    await click('[data-message-id="w2"] .jdc-remove')
    expect(did).toEqual(['remove w2'])
    expect(document.activeElement).toBe(find('[data-message-id="w3"] .jdc-remove'))
    await draw({ transcript: withQueue({ queue: queue.slice(0, 1) }) })
    await click('.jdc-remove')
    expect(document.activeElement).toBe(input())
  })

  test('a message is changed; Esc in it stops nothing', async () => {
    await draw({ transcript: withQueue() })
    await click('[data-message-id="w1"] .jdc-edit')
    await type('Other', editor())
    await press('Escape', {}, editor())
    expect(did).toEqual([])
    expect(document.activeElement).toBe(find('[data-message-id="w1"] .jdc-edit'))
    await click('[data-message-id="w1"] .jdc-edit')
    await type('Changed', editor())
    await press('Enter', {}, editor())
    expect(did).toEqual(['edit w1 Changed'])
    const outbox = [{ clientId: 'c_9', text: 'Changed', error: null, edits: 'w1' }]
    await draw({ transcript: withQueue(), outbox })
    expect(find('[data-message-id="w1"]')?.textContent).toBe('ChangedSending…')
    expect(all('.jdc-queued')).toHaveLength(3)
  })

  test('what was written is in the input when its message was started meanwhile', async () => {
    await draw({ transcript: withQueue() })
    await click('[data-message-id="w1"] .jdc-edit')
    await type('Changed', editor())
    await draw({ transcript: withQueue({ queue: queue.slice(1) }) })
    expect(editor()).toBeNull()
    expect(input().value).toBe('Changed')
  })

  test('an editor that was only opened leaves nothing behind', async () => {
    await draw({ transcript: withQueue() })
    await click('[data-message-id="w1"] .jdc-edit')
    await draw({ transcript: withQueue({ queue: queue.slice(1) }) })
    expect(input().value).toBe('')
  })

  test('held after a stop it says so, and goes on when asked', async () => {
    await draw({ transcript: held('stopped') })
    expect(find('.jdc-queue')?.dataset['held']).toBe('stopped')
    expect(find('.jdc-queue [role="status"]')?.textContent).toBe('You stopped the last answer; these 3 wait.')
    await click('button.jdc-resume')
    expect(did).toEqual(['resume'])
  })

  test('held, Enter resumes where nothing is written', async () => {
    await draw({ transcript: held('stopped') })
    expect(input().placeholder).toContain('Enter resumes')
    await type('More')
    expect(find('.jdc-hint')?.textContent).toBe('Waits with the others until you resume')
    await press('Enter')
    await press('Enter')
    expect(did).toEqual(['send More', 'resume'])
  })

  test('held for another reason it gives that', async () => {
    await draw({ transcript: held('No agent is called x.') })
    expect(find('.jdc-queue [role="status"]')?.textContent).toBe('No agent is called x. Until you resume, these 3 wait.')
  })

  test('what is sent meanwhile joins it at once', async () => {
    const outbox = [
      { clientId: 'c_1', text: 'New', error: null, edits: null },
      { clientId: 'c_2', text: 'Refused', error: 'Too many messages.', edits: null },
    ]
    await draw({ transcript: withQueue({ queue: [] }), outbox })
    expect(all('.jdc-queued').map((row) => row.textContent)).toEqual([
      'NewSending…',
      'RefusedNot sent. Too many messages.Send againEditDiscard',
    ])
    expect(find('.jdc-messages .jdc-outgoing')).toBeNull()
  })

  test('in a cell of one turn there is its message, to be taken away', async () => {
    await draw({ transcript: withQueue(), turn: 't_w2' })
    expect(all('.jdc-queued').map((row) => row.textContent)).toEqual(['Second'])
    expect(names('.jdc-queued')).toEqual(['Remove message'])
    expect(find('.jdc-empty')).toBeNull()
    await draw({ transcript: transcript([], { removed: queue }), turn: 't_w2' })
    expect(find('.jdc-messages')?.textContent).toBe('SecondRemoved from the queue')
  })
})

describe('what cannot be asked', () => {
  const everything = () => withVersions(2, { queue: [waiting('w1', 'First')], held: 'stopped' })

  test.each([
    ['a saved copy', { state: 'static', actions: null }],
    ['a session that is gone', { state: 'gone', actions }],
  ] as const)('%s has no buttons but those to copy', async (_, props) => {
    await draw({ transcript: everything(), ...props })
    expect(names('.jdc-chat')).toEqual(['Copy question', 'Copy answer'])
    expect(find('.jdc-queued')?.textContent).toBe('First')
  })

  test('a cell of one turn shows what belongs to it, on whatever branch', async () => {
    const gone = answer(['Half', 'and more'], { turn: 't_5', continued: [{ turn: 't_1' }] })
    const elsewhere = transcript([question('Other?', 't_8')], { others: [question('Why?'), gone] })
    await draw({ transcript: elsewhere, turn: 't_1' })
    expect(all('.jdc-message').map((message) => message.dataset['messageId'])).toEqual(['q_t_1', 'a_t_1'])
    expect(find('.jdc-retry, .jdc-edit, .jdc-versions')).toBeNull()
  })
})

test('a text that grows draws no other message again, whatever their versions', async () => {
  let looks = 0
  const counts: number[] = []
  const { parts, ...rest } = answers[1]
  const kept: UIMessage = Object.defineProperty({ ...rest, parts }, 'parts', { get: () => (looks++, parts) })
  for (const text of ['Half', 'Half an', 'Half an answer']) {
    const { messages, turn } = running(text)
    const others = [answers[0], answers[2]]
    await draw({ transcript: transcript([asked, kept, ...messages], { others, turn, queue: [waiting('w1', text)] }) })
    expect(find('[data-message-id="a_t_1"] .jdc-text')?.textContent?.trim()).toBe(text)
    counts.push(looks)
  }
  expect(counts[0]).toBeGreaterThan(0)
  expect(counts).toEqual([counts[0], counts[0], counts[0]])
})
