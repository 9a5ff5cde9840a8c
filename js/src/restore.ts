/**
 * What a file claims to be a chat, made safe to draw: every field that is here has the type that it should have, and
 * what has not is left out. Nothing is said about the texts; they are a stranger's.
 */

import { emptyTranscript, type Metadata, type Part, type Transcript, type Turn, type UIMessage } from './transcript'

type Check = (value: unknown) => boolean
type Checks<T = object> = Partial<Record<keyof T, Check>>

const isString = (value: unknown) => typeof value === 'string'
const isText = (value: unknown) => value === null || isString(value)
const isNumber = (value: unknown) => Number.isSafeInteger(value)
const isFlag = (value: unknown) => typeof value === 'boolean'
export const isRecord = (value: unknown): value is Record<string, unknown> =>
  typeof value === 'object' && value !== null && !Array.isArray(value)
const isOneOf =
  (...values: unknown[]) =>
  (value: unknown) =>
    values.includes(value)
const optionally =
  (check: Check): Check =>
  (value) =>
    value === undefined || check(value)
const anything = () => true

/** A saved transcript. It is for drawing: what is on other branches is not in it. */
export function restoreTranscript(data: unknown): Transcript | null {
  if (!isRecord(data) || !isString(data.id) || !Array.isArray(data.messages)) return null
  return withDefaults({
    ...emptyTranscript(),
    ...pick(data, TRANSCRIPT),
    id: data.id as string,
    messages: restoreMessages(data.messages),
    turn: isRecord(data.turn) && isWhole(data.turn, TURN) ? (data.turn as unknown as Turn) : null,
    queue: restoreMessages(data.queue),
    removed: restoreMessages(data.removed),
    usage: isUsage(data.usage) ? (data.usage as Transcript['usage']) : {},
  })
}

/** The transcript with what one from before there were queues and branches does not say: each message followed the one above. */
export function withDefaults(transcript: Transcript): Transcript {
  const { messages, turn } = transcript
  return {
    ...emptyTranscript(),
    ...transcript,
    turn: turn && { ...TURN_BEGINS, ...turn },
    messages: messages.map((message, index) => {
      const { parent = messages[index - 1]?.id ?? null } = message.metadata
      return { ...message, metadata: { ...message.metadata, parent } }
    }),
  }
}

const TURN_BEGINS = { effort: null, mode: null, tools: null, continues: false, first_part: 0, acting: false, steps: 0, usage: {}, nested_tokens: 0, waits_since: null }

const isMode = isOneOf('ask', 'plan', 'act', null)
const isUsage = (value: unknown) => isRecord(value) && Object.values(value).every(Number.isFinite)
const isAuthor = (value: unknown) =>
  isRecord(value) && isString(value.username) && isString(value.name ?? '') && isText(value.color ?? null)

const TRANSCRIPT: Checks<Transcript> = {
  lsn: isNumber,
  title: isText,
  name: isString,
  notebook: isText,
  agent: isText,
  model: isText,
  effort: isText,
  mode: isMode,
  muted: isFlag,
  status: isOneOf('idle', 'streaming', 'failed'),
  created_at: isString,
  updated_at: isString,
  held: isText,
  omitted: isNumber,
}

const TURN: Record<keyof Turn, Check> = {
  id: isString,
  user_message_id: isString,
  message_id: isString,
  agent: isString,
  model: isText,
  effort: optionally(isText),
  mode: optionally(isMode),
  tools: optionally((value) => value === null || (Array.isArray(value) && value.every(isString))),
  started_at: isString,
  stopping: isFlag,
  continues: optionally(isFlag),
  first_part: optionally(isNumber),
  acting: optionally(isFlag),
  usage: optionally(isUsage),
  steps: optionally(isNumber),
  nested_tokens: optionally(isNumber),
  waits_since: optionally(isText),
}

const METADATA: Checks<Metadata> = {
  at: isString,
  lsn: isNumber,
  parent: isText,
  turn: isText,
  client_id: isString,
  agent: isText,
  model: isText,
  outcome: isOneOf('completed', 'stopped', 'failed', 'truncated', 'interrupted'),
  finished_at: isString,
  finished_lsn: isNumber,
  waits: (value) => Array.isArray(value) && value.every((wait) => isRecord(wait) && isString(wait.from) && isString(wait.to)),
  continued: (value) => Array.isArray(value) && value.every(isRecord),
  continued_lsn: isNumber,
  queued: isNumber,
  author: isAuthor,
  stopped_by: isAuthor,
  error: (value) => isRecord(value) && isString(value.category) && isString(value.text),
  usage: isUsage,
  effort: isText,
  mode: isMode,
  context: (value) => isRecord(value) && isNumber(value.tokens) && optionally(isNumber)(value.window),
}

function restoreMessages(data: unknown): UIMessage[] {
  return Array.isArray(data) ? data.flatMap(restoreMessage) : []
}

function restoreMessage(data: unknown): UIMessage[] {
  if (!isRecord(data) || !isString(data.id) || !Array.isArray(data.parts)) return []
  if (data.role !== 'user' && data.role !== 'assistant') return []
  const metadata: Metadata = isRecord(data.metadata) ? pick(data.metadata, METADATA) : {}
  return [{ id: data.id as string, role: data.role, parts: restoreParts(data.parts), metadata }]
}

const isStart = (value: unknown) => isRecord(value) && isString(value.at)

const TEXT = {
  text: isString,
  state: isOneOf('streaming', 'done', undefined),
  started: optionally(isStart),
  finishedAt: optionally(isString),
}

const PARTS = new Map<string, Record<string, Check>>([
  ['text', TEXT],
  ['reasoning', TEXT],
  ['step-start', {}],
  [
    'dynamic-tool',
    {
      toolName: isString,
      toolCallId: isString,
      state: isOneOf(
        'input-streaming',
        'input-available',
        'approval-requested',
        'approval-responded',
        'output-available',
        'output-error',
        'output-denied',
      ),
      errorText: optionally(isString),
      title: optionally(isString),
      waitsFor: isOneOf('kernel', 'person', undefined),
      finishedAt: optionally(isString),
      started: optionally(isStart),
      approval: optionally((value) => isRecord(value) && isWhole(value, APPROVAL)),
      progress: optionally((value) => isRecord(value) && isWhole(value, PROGRESS)),
      logs: optionally((value) => Array.isArray(value) && value.every((line) => isRecord(line) && isString(line.level) && isString(line.text))),
      parts: optionally(Array.isArray),
    },
  ],
  ['source-url', { sourceId: isString, url: isString, title: optionally(isString) }],
  ['source-document', { sourceId: isString, mediaType: isString, title: isString, filename: optionally(isString) }],
  ['file', { mediaType: isString, url: isString, filename: optionally(isString) }],
])

const APPROVAL: Record<string, Check> = {
  id: isString,
  scope: isOneOf('session', undefined),
  deadline: optionally(isString),
  approved: optionally(isFlag),
  reason: optionally(isString),
  by: optionally(isAuthor),
}

const PROGRESS: Record<string, Check> = {
  progress: optionally(Number.isFinite),
  total: optionally(Number.isFinite),
  message: optionally(isString),
}

/** Calls inside of calls that are deeper are left out: what is drawn is not deep. */
const DEEPEST = 8

/** What of a list of parts are parts. */
export function restoreParts(data: unknown): Part[] {
  return Array.isArray(data) ? data.flatMap((part) => restorePart(part, 0)) : []
}

function restorePart(data: unknown, depth: number): Part[] {
  if (!isRecord(data) || typeof data.type !== 'string') return []
  const checks = data.type.startsWith('data-') ? { data: anything } : PARTS.get(data.type)
  if (!checks || !isWhole(data, checks)) return []
  if (!Array.isArray(data.parts)) return [data as unknown as Part]
  const parts = depth < DEEPEST ? data.parts.flatMap((part) => restorePart(part, depth + 1)) : []
  return [{ ...data, parts } as unknown as Part]
}

/** Whether every checked field is right. */
function isWhole(data: Record<string, unknown>, checks: Record<string, Check>): boolean {
  return Object.entries(checks).every(([name, check]) => check(data[name]))
}

/** The checked fields that are right. */
function pick<T>(data: Record<string, unknown>, checks: Checks<T>): Partial<T> {
  const right = Object.entries<Check>(checks as Record<string, Check>).filter(([name, check]) => check(data[name]))
  return Object.fromEntries(right.map(([name]) => [name, data[name]])) as Partial<T>
}
