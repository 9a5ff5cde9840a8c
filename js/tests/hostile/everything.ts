/**
 * One of everything that a chat draws and that somebody else has written, beside what the vectors of the fold have; and the
 * ways to put something else into any place of it. Who draws a new field adds it here, or has it in a vector.
 */

import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'

const VECTORS = join(import.meta.dirname, '../../../tests/vectors')

const PICTURE = 'data:image/png;base64,iVBORw0KGgo='
const HASH = `attachment:${'a'.repeat(64)}`

const call = (toolCallId: string, more: object) => ({ type: 'dynamic-tool', toolName: 'run', toolCallId, state: 'output-available', input: {}, ...more })

const questions = {
  text: 'before',
  questions: [
    { id: 'one', header: 'header', question: 'which?', options: [{ label: 'label', description: 'description' }, 'other'], free_text: true },
    { id: 'two', question: 'what?', kind: 'text', required: false },
  ],
}

const table = { rows: 5, columns: ['column', 'number'], index: ['index'], cells: [['a', 'cell', 0.5], ['b', null, 1]], more_columns: 2 }

const parts = [
  { type: 'reasoning', text: 'reasoning', state: 'done', started: { at: '2026-11-20T20:15:01.000Z' }, finishedAt: '2026-11-20T20:15:04.000Z' },
  { type: 'text', text: 'text', state: 'done' },
  call('c_1', { title: 'title', input: { name: 'value', code: 'print(1)', language: 'python', text: 'a\nb' }, output: 'output', approval: { id: 'p_1', approved: true, reason: 'reason', by: { username: 'user', name: 'name' } } }),
  call('c_2', { output: { content: [{ type: 'text', text: 'said' }, { type: 'file', mediaType: 'image/png', url: PICTURE, filename: 'plot.png' }, { type: 'file', mediaType: 'text/csv', url: HASH, filename: 'a.csv' }, { type: 'file', mediaType: 'text/csv', url: 'https://ok.example/a.csv', filename: 'b.csv' }], structured: { key: 'value' }, cut: { bytes: 9 } } }),
  call('c_3', { output: { structured: 'value', content: [] }, logs: [{ level: 'warning', text: 'log' }] }),
  call('c_4', { state: 'output-error', errorText: 'error', rawInput: '{"a"' }),
  call('c_5', { state: 'output-denied', approval: { id: 'p_2', approved: false, scope: 'session', reason: 'because', by: { username: 'user' } } }),
  call('c_6', { output: '```diff\n-a\n+b\n```', parts: [{ type: 'text', text: 'inside' }, call('c_7', { toolName: 'inner', title: 'inner title', input: { deep: { deeper: ['value'] } }, output: [{ column: 'cell', other: 1 }] })] }),
  call('c_8', { toolName: 'propose_plan', input: { title: 'plan', plan: '1. do' }, output: { decision: 'change', text: 'otherwise' } }),
  call('c_9', { toolName: 'ask_user', input: questions, output: { action: 'accept', answers: { one: 'label', two: ['a', 'b'] } } }),
  call('c_10', { output: { content: [{ type: 'text', text: 'printed' }, { type: 'text', text: 'CSV' }], structured: { ...table, text: 1 } } }),
  call('c_11', { output: [{ column: 'cell', other: 1 }, { column: 'cell' }] }),
  call('c_12', { state: 'output-error', errorText: 'Traceback (most recent call last):\n  in f\nValueError: error' }),
  { type: 'source-url', sourceId: 's', url: 'https://ok.example/page', title: 'source' },
  { type: 'source-url', sourceId: 's', url: 'https://ok.example/page' },
  { type: 'source-document', sourceId: 's', mediaType: 'text/plain', title: 'document', filename: 'd.txt' },
  { type: 'file', mediaType: 'image/png', url: PICTURE, filename: 'a.png' },
  { type: 'file', mediaType: 'image/png', url: HASH, filename: 'b.png' },
  { type: 'file', mediaType: 'application/pdf', url: HASH, filename: 'c.pdf' },
  { type: 'file', mediaType: 'text/html', url: 'https://ok.example/c.html', filename: 'c.html' },
  { type: 'data-cell', data: { label: 'cell', text: 'x = 1' } },
  { type: 'data-variable', data: { label: 'variable', text: 'x', table } },
  { type: 'data-plan', data: { entries: [{ content: 'entry', status: 'completed' }] } },
  { type: 'data-other', id: 'o', data: { html: 'value' } },
]

/** The calls that wait for somebody. */
const waiting = [
  call('w_1', { toolName: 'delete', title: 'Delete', state: 'approval-requested', input: { path: 'value' }, approval: { id: 'p_3', scope: 'session', deadline: '2026-11-20T21:15:00.000Z' } }),
  call('w_2', { toolName: 'ask_user', state: 'input-available', waitsFor: 'person', input: questions }),
  call('w_3', { toolName: 'propose_plan', state: 'input-available', waitsFor: 'person', input: { title: 'plan', plan: '1. do' } }),
  call('w_4', { state: 'input-available', waitsFor: 'kernel', input: { a: 'b' } }),
  call('w_5', { state: 'input-available', started: { at: '2026-11-20T20:15:02.000Z', runner: 'runner' }, progress: { progress: 1, total: 3, message: 'progress' }, logs: [{ level: 'info', text: 'line' }] }),
  call('w_6', { state: 'input-streaming', rawInput: '{"a": "b' }),
  { type: 'text', text: 'growing', state: 'streaming', id: 't' },
]

const at = '2026-11-20T20:15:00.000Z'
const usage = { input_tokens: 10, output_tokens: 20, cost_usd: 0.01 }
const author = { username: 'username', name: 'name', color: '#123456', via: 'kernel' }
const error = { category: 'internal', text: 'error', recoverable: true }

const question = (id: string, turn: string) => ({ id, role: 'user', parts: [{ type: 'text', text: 'question' }, ...parts.slice(13)], metadata: { at, lsn: 1, turn, client_id: 'c', author, mode: 'ask' } })
const answer = (id: string, turn: string, outcome: string) => ({
  id,
  role: 'assistant',
  parts: [{ type: 'text', text: 'answer', state: 'done' }],
  metadata: { at, lsn: 2, turn, agent: 'agent', model: 'model', effort: 'high', mode: 'plan', outcome, stopped_by: author, error, usage, context: { tokens: 5, window: 10 }, waits: [{ from: at, to: at }], finished_at: '2026-11-20T20:15:09.000Z' },
})

const everything = {
  id: 's_1',
  lsn: 9,
  title: 'title',
  name: 'name',
  notebook: 'notebook.ipynb',
  agent: 'agent',
  model: 'model',
  effort: 'high',
  mode: 'plan',
  status: 'streaming',
  messages: [
    question('q_1', 't_1'),
    { ...answer('a_1', 't_1', 'completed'), parts },
    ...['stopped', 'failed', 'truncated', 'interrupted'].map((outcome, n) => answer(`a_${n + 2}`, `t_${n + 2}`, outcome)),
    { ...answer('a_9', 't_9', 'failed'), metadata: { ...answer('a_9', 't_9', 'failed').metadata, error: { ...error, category: 'budget' } } },
    question('q_7', 't_7'),
    { id: 'a_7', role: 'assistant', parts: waiting, metadata: { at, lsn: 5, turn: 't_7', agent: 'agent', model: 'model' } },
  ],
  turn: { id: 't_7', user_message_id: 'q_7', message_id: 'a_7', agent: 'agent', model: 'model', started_at: at, stopping: false, waits_since: at },
  queue: [question('q_8', 't_8')],
  held: 'held',
  removed: [question('q_9', 't_9')],
  usage,
  omitted: 3,
  created_at: at,
  updated_at: at,
}

/** Transcripts, as a file would have them. */
export const transcripts: unknown[] = [
  everything,
  ...readdirSync(VECTORS).flatMap((file) => (file.endsWith('.json') ? [(JSON.parse(readFileSync(join(VECTORS, file), 'utf8')) as { transcript: unknown }).transcript] : [])),
]

type Path = readonly (string | number)[]

/** A place in a value, and its kind: places of one kind differ in their indices only. */
export interface Spot {
  path: Path
  kind: string
}

/** Every place in a value that holds something. */
export function spots(value: unknown, path: Path = []): Spot[] {
  const inner = typeof value === 'object' && value !== null ? Object.entries(value) : []
  const of = (key: string) => (Array.isArray(value) ? Number(key) : key)
  const here = { path, kind: path.map((step) => (typeof step === 'number' ? '[]' : step)).join('.') }
  return [here, ...inner.flatMap(([key, child]) => spots(child, [...path, of(key)]))]
}

/** One place of each kind; parts and calls are of different kinds when their types are. */
export function kinds(value: unknown): Spot[] {
  const seen = new Map<string, Spot>()
  for (const spot of spots(value)) {
    const types = spot.path.map((_, n) => inside(value, spot.path.slice(0, n)) as { type?: unknown; toolName?: unknown; state?: unknown } | null)
    const kind = [spot.kind, ...types.map((one) => [one?.type, one?.toolName, one?.state].join())].join(' ')
    if (!seen.has(kind)) seen.set(kind, spot)
  }
  return [...seen.values()]
}

function inside(value: unknown, path: Path): unknown {
  return path.reduce<unknown>((inner, step) => (inner as Record<string | number, unknown> | null)?.[step], value)
}

/** The value with something else in one place. */
export function replaced(value: unknown, path: Path, other: unknown): unknown {
  const [step, ...rest] = path
  if (step === undefined) return other
  if (Array.isArray(value)) return value.map((item: unknown, n) => (n === step ? replaced(item, rest, other) : item))
  return Object.fromEntries(Object.entries(value as object).map(([key, item]) => [key, key === step ? replaced(item, rest, other) : item]))
}

/** What says how the rest is to be read. */
const STRUCTURE =
  /^(?:id|type|role|state|status|outcome|category|kind|level|scope|decision|action|waitsFor|lsn|turn|parent|client_id|toolCallId|sourceId|user_message_id|message_id|at|from|to|started_at|finished_at|finishedAt|created_at|updated_at|deadline|waits_since|mode|mediaType)$/

/** The value with this text in every place that holds one, but for what it is structured by; keys, too, where anybody may name them. */
export function saying(value: unknown, text: string, key = ''): unknown {
  if (Array.isArray(value)) return value.map((item: unknown) => saying(item, text, key))
  if (typeof value === 'object' && value !== null) {
    const entries = Object.entries(value).map(([name, item]) => [name, saying(item, text, name)] as const)
    const isFree = key === 'input' || key === 'structured'
    return { ...Object.fromEntries(entries), ...(isFree ? { [text]: text } : {}) }
  }
  if (typeof value !== 'string' || STRUCTURE.test(key)) return value
  return ['propose_plan', 'ask_user', 'one', 'two'].includes(value) ? value : text
}
