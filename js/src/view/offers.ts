/** The names that fit what is being written behind `@` or `/`. */

import type { Actions, Mention, Notebook } from './types'

export interface Token {
  kind: 'mention' | 'command'
  /** What is behind the sign so far. */
  query: string
  /** Where in the text the sign and the query are. */
  start: number
  end: number
}

export type Offer = Mention | { kind: 'agent'; name: string; detail: string } | { kind: 'prompt'; name: string; detail: string; text: string }

/** Of prompts, and of agents. */
const MOST = 12

/** The name that is being written at this place. `/` names something at the beginning of a message only; both, in no longer word. */
export function tokenAt(text: string, caret: number): Token | null {
  const before = text.slice(0, caret)
  const command = /^\/([\w.-]*)$/.exec(before)
  if (command) return { kind: 'command', query: command[1] ?? '', start: 0, end: caret }
  const [, query] = /(?:^|\s|\()@([^\s@]*)$/.exec(before) ?? []
  return query === undefined ? null : { kind: 'mention', query, start: caret - query.length - 1, end: caret }
}

interface Sources {
  actions: Actions
  notebook: Notebook | null
  from: Element
  signal: AbortSignal
}

export async function offersOf({ kind, query }: Token, { actions, notebook, from, signal }: Sources): Promise<Offer[]> {
  if (kind === 'mention') return (await notebook?.mentions(query, from, signal)) ?? []
  const { agents, prompts = [] } = await actions.agents(false)
  const wanted = query.toLowerCase()
  const fits = ({ name }: { name: string }) => name.toLowerCase().includes(wanted)
  const answering = agents.filter((agent) => agent.available && fits(agent))
  return [
    ...prompts.filter(fits).slice(0, MOST).map(({ name, description, text }) => ({ kind: 'prompt' as const, name, detail: description, text })),
    ...answering.slice(0, MOST).map(({ name, description = '' }) => ({ kind: 'agent' as const, name, detail: description })),
  ]
}
