// @vitest-environment jsdom
/** Whatever is in any place of a chat: it is drawn, and nothing of it is more than a text. */

import { beforeAll, beforeEach, expect, test } from 'vitest'
import { restoreTranscript } from '../../src/restore'
import { languages } from '../../src/view/highlight'
import { temml } from '../../src/view/math'
import type { Agents, ChatViewProps, ConnectionState } from '../../src/view/types'
import { all, draw, find, open, taken } from '../view/drawn'
import { attacks } from './attacks.ts'
import { corpus } from './corpus.ts'
import { kinds, replaced, saying, transcripts } from './everything.ts'
import { foreign } from './foreign.ts'
import { LONG, share, TIME } from './share.ts'

beforeAll(() => Promise.all([temml.load(), languages.load()]))

let attacked = 0
beforeEach(() => {
  attacked = 0
  for (const name of ['attack', 'alert', 'confirm', 'prompt', 'fetch', 'open']) Object.assign(globalThis, { [name]: () => attacked++ })
})

/** Draws it, opens all that is folded, and tells what is there that should not be. */
async function drawnWith(transcript: unknown, props: Partial<ChatViewProps> = {}): Promise<string[]> {
  await draw({ transcript: restoreTranscript(transcript), you: 'somebody', ...props })
  for (let rounds = 0; rounds < 5 && find('details:not([open])'); rounds++) {
    for (const details of all('details:not([open])')) {
      details.setAttribute('data-here', '')
      await open('details[data-here]')
      details.removeAttribute('data-here')
    }
  }
  const root = find('.jdc-chat')?.parentElement
  const found = root ? foreign(root) : ['nothing is drawn']
  return attacked > 0 ? [...found, 'it ran'] : found
}

/** Texts that are a way out of one thing or another, wherever they are. */
const POLYGLOTS = [
  `"'><img src=x onerror=attack()><a href="javascript:attack()">x</a>`,
  'javascript:/*--></title></style></textarea></script></xmp><svg/onload=\'+/"/+/onmouseover=1/+/[*/[]/+attack()//\'>',
  '![x](https://evil.example/x.png) [x](javascript:attack()) <iframe src=https://evil.example>',
  'https://bank.example@evil.example/\u202egpj.exe',
  'data:text/html,<script>attack()</script>',
  '__proto__',
  'constructor',
  '',
]

const chosen = LONG ? corpus : [...POLYGLOTS, ...attacks.filter((_, n) => n % 16 === 0), ...corpus.filter((_, n) => n % 200 === 0)]

test.each(['live', 'static'] as ConnectionState[])('a text in all places at once is only a text (%s)', async (state) => {
  const left: Record<string, string[]> = {}
  for (const attack of share(chosen)) {
    taken.agents = saying(AGENTS, attack) as Agents
    const outbox = [null, 'q_1'].map((edits, n) => ({ clientId: `c${n}`, text: attack, error: attack, edits }))
    const found = await drawnWith(saying(transcripts[0], attack), { state, notice: attack, outbox })
    if (found.length > 0) left[attack] = found
  }
  expect(left).toEqual({})
}, TIME)

const AGENTS: Agents = {
  default: 'agent',
  agents: [
    { name: 'agent', description: 'description', models: ['model'], efforts: ['high'], available: true, why: null },
    { name: 'other', description: 'description', models: [], available: false, why: 'why' },
  ],
}

const deep = JSON.parse(`${'['.repeat(500)}${']'.repeat(500)}`) as unknown

/** What somebody could write into a file in place of anything. */
const STRANGE: unknown[] = [
  null, true, -1, 1e308, Number.MAX_SAFE_INTEGER, '', 'text', [], {}, [null], [[]], [{}], ['text'], [1], deep,
  JSON.parse('{"__proto__": {"type": "text", "text": "x"}, "constructor": 1, "toString": null, "length": 9}'),
  { type: 'text', text: 'x' }, { content: [null, {}, { type: 'file' }, { type: 'text', text: 1 }], cut: { bytes: 'x' } },
  { questions: [null, {}, { question: 'x', options: [null, {}] }, { question: 'x', id: '__proto__' }] },
  { entries: [null, { content: {} }] }, 'x'.repeat(100_000), '2026-99-99T99:99:99Z', '9'.repeat(400),
]

test('whatever a file has in one place, the chat is drawn', async () => {
  const left: Record<string, unknown> = {}
  const done = new Set<string>()
  const values = [...STRANGE, ...POLYGLOTS]
  let turn = 0
  for (const transcript of transcripts) {
    for (const { path, kind } of share(kinds(transcript))) {
      if (done.has(kind) && !LONG) continue
      done.add(kind)
      for (const value of LONG ? values : [...Array(4)].map(() => values[turn++ % values.length])) {
        const what = `${path.join('.')} = ${JSON.stringify(value)?.slice(0, 80)}`
        const data = replaced(transcript, path, value)
        if (!restoreTranscript(data)) continue
        try {
          const found = await drawnWith(data, { state: 'static', actions: null })
          if (found.length > 0) left[what] = found
        } catch (error) {
          left[what] = String((error as Error).stack).split('\n').slice(0, 4)
        }
      }
    }
  }
  expect(left).toEqual({})
}, TIME)
