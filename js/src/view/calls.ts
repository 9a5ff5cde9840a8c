/** What a call waits for, and what is said of it: words only, nothing is drawn here. */

import { isOver, isOfTurn, nested, OVER, type Part, type ToolPart, type Transcript } from '../transcript'
import { words } from '../words'
import { seconds } from '../words/numbers'

/** `approval`: a yes or no; `person`: an answer to what it asks; `kernel`: one that offers the tool. */
export type Waits = 'approval' | 'person' | 'kernel'

export function waits(part: ToolPart): Waits | null {
  if (isOver(part)) return null
  if (part.state === 'approval-requested') return 'approval'
  if (part.waitsFor === 'person') return 'person'
  return part.waitsFor === 'kernel' && !part.started ? 'kernel' : null
}

/** What the running turn waits for, if it is one that is shown; what a person can do something about comes first. */
export function waitingCalls(transcript: Transcript | null, turn: string | null): ToolPart[] {
  const answer = transcript?.turn && transcript.messages.find(({ id }) => id === transcript.turn?.message_id)
  if (!answer || (turn !== null && !isOfTurn(answer, turn))) return []
  const calls = [...nested(answer.parts)].filter((part) => part.type === 'dynamic-tool')
  return (['approval', 'person', 'kernel'] as const).flatMap((kind) => calls.filter((call) => waits(call) === kind))
}

/** Whether somebody was waited for in it: for how long, nothing says. */
export function hasWaited(parts: Part[]): boolean {
  return [...nested(parts)].some((part) => part.type === 'dynamic-tool' && (part.approval ?? part.waitsFor) !== undefined)
}

/** What the person is to do before the call goes on, for it or for something inside of it; a yes or no comes first. */
export function needsPerson(part: ToolPart): 'approval' | 'person' | null {
  if (isOver(part)) return null
  const calls = [part, ...nested(part.parts ?? [])]
  const kinds = calls.map((call) => (call.type === 'dynamic-tool' ? waits(call) : null))
  return (['approval', 'person'] as const).find((kind) => kinds.includes(kind)) ?? null
}

/** What the fold says of a call that was open when its turn, or the call around it, ended. */
const CLOSED = new Set(['stopped', 'interrupted', 'failed', 'truncated', OVER])

/** What the server says of a call that an agent of its own began, and was silent about when its answer was complete. */
const UNREPORTED = 'Its end was not reported.'

/** How a call ended without having failed, as far as anybody knows; `null`: it failed, has a result, or goes on. */
export function openEnd(part: ToolPart): 'not-run' | 'no-result' | null {
  const { state, errorText = '', providerExecuted } = part
  if (state !== 'output-error') return null
  if (providerExecuted && errorText === UNREPORTED) return 'no-result'
  return CLOSED.has(errorText) && !hasBegun(part) ? 'not-run' : null
}

/** What an agent runs by itself is not known to have begun: only that it could not, as long as it was not allowed. */
function hasBegun({ started, progress, logs, parts, suspended, providerExecuted, approval }: ToolPart): boolean {
  if (providerExecuted && (!approval || approval.approved)) return true
  return [started, progress, logs, parts, suspended].some((sign) => sign !== undefined)
}

export function nameOf({ title, toolName }: ToolPart): string {
  return title || toolName
}

/** One line for whoever does not see the call. */
export function waitingWords(part: ToolPart): string {
  switch (waits(part)) {
    case 'approval':
      return words.waitsApproval(nameOf(part))
    case 'person':
      if (part.toolName === 'propose_plan') return words.waitsPlan
      return part.toolName === 'ask_user' ? words.waitsQuestion : words.waitsPerson(nameOf(part))
    default:
      return words.waitsKernel(nameOf(part))
  }
}

/** How a call is, in a word or two; `running`: its turn goes on. */
export function stateWords(part: ToolPart, running: boolean): string {
  const { state, approval } = part
  const { callStates } = words
  if (state === 'output-denied') return approval?.by ? words.deniedBy(personName(approval.by)) : callStates.denied
  const open = openEnd(part)
  if (open) return callStates[open]
  if (isOver(part)) return [state === 'output-error' ? callStates.failed : callStates.done, ...duration(part)].join(' · ')
  if (!running) return callStates['no-result']
  if (state === 'input-streaming') return callStates.writing
  return callStates[needsPerson(part) ?? waits(part) ?? 'running']
}

function duration({ started, finishedAt, parts = [] }: ToolPart): string[] {
  const took = started && finishedAt && !hasWaited(parts) ? (Date.parse(finishedAt) - Date.parse(started.at)) / 1000 : Number.NaN
  return took >= 0 ? [seconds(took)] : []
}

export function personName({ name, username }: { name?: string; username: string }): string {
  return name || username
}

/** The arguments; agents of their own name also what they leave empty. */
export function argumentsOf({ input, rawInput, providerExecuted }: ToolPart): unknown {
  const given = input ?? rawInput
  if (!providerExecuted || typeof given !== 'object' || given === null || Array.isArray(given)) return given
  const isEmpty = (value: unknown) => typeof value === 'object' && value !== null && Object.keys(value).length === 0
  return Object.fromEntries(Object.entries(given).filter(([, value]) => !isEmpty(value)))
}

/** Arguments in a line; nothing where there are none. */
export function gist(input: unknown): string {
  if (typeof input !== 'object' || input === null) return ''
  const words = (value: unknown) => (typeof value === 'string' ? value : JSON.stringify(value))
  const line = Object.entries(input).map(([name, value]) => `${name}: ${words(value).slice(0, 200)}`)
  return line.join(', ').slice(0, 200).replace(/\s+/g, ' ')
}

/** Arguments that are read as code, by their name, with the language that they are in if nothing else says it. */
const LANGUAGES = new Map([
  ...['code', 'source', 'python', 'cell'].map((name) => [name, 'python'] as const),
  ...['sql', 'query'].map((name) => [name, 'sql'] as const),
  ...['command', 'cmd', 'script', 'shell'].map((name) => [name, 'bash'] as const),
])

export interface Code {
  name: string
  language: string
  text: string
}

/** Arguments as they are read: what is code, or has several lines, by itself; and the rest. */
export function split(input: unknown): { code: Code[]; rest: unknown } {
  if (typeof input !== 'object' || input === null || Array.isArray(input)) return { code: [], rest: input }
  const entries = Object.entries(input as Record<string, unknown>)
  const code: Code[] = []
  const rest: [string, unknown][] = []
  for (const [name, value] of entries) {
    const language = LANGUAGES.get(name.toLowerCase()) ?? ''
    if (typeof value === 'string' && (language || value.includes('\n'))) code.push({ name, language, text: value })
    else rest.push([name, value])
  }
  const said = rest.find(([name, value]) => name === 'language' && typeof value === 'string')
  if (said && code.length === 1) {
    const [only] = code as [Code]
    return { code: [{ ...only, language: said[1] as string }], rest: some(rest.filter((entry) => entry !== said)) }
  }
  return { code, rest: some(rest) }
}

function some(entries: [string, unknown][]): unknown {
  return entries.length > 0 ? Object.fromEntries(entries) : undefined
}
