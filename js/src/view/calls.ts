/** What is said of a call, and how its arguments are read: words only, nothing is drawn here. */

import { isOver, OVER, type ToolPart } from '../transcript'
import { words } from '../words'
import { duration } from '../words/numbers'
import { authorName } from './Person'
import { ran } from './times'
import { needsPerson, waits } from './waits'

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

/** What takes less is not said to have taken a time. */
const AT_ONCE = 50

/** How a call is, in a word or two; `running`: its turn goes on. */
export function stateWords(part: ToolPart, running: boolean): string {
  const { state, approval } = part
  const { callStates } = words
  if (state === 'output-denied') return approval?.by ? words.deniedBy(authorName(approval.by)) : callStates.denied
  const open = openEnd(part)
  if (open) return callStates[open]
  if (isOver(part)) {
    const took = ran(part)
    return [state === 'output-error' ? callStates.failed : callStates.done, ...(took >= AT_ONCE ? [duration(took)] : [])].join(' · ')
  }
  if (!running) return callStates['no-result']
  if (state === 'input-streaming') return callStates.writing
  return callStates[needsPerson(part) ?? waits(part) ?? 'running']
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
