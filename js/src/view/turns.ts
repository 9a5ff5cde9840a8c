/** A session as a list of its turns: what was asked, when, and what became of it. */

import type { Outcome } from '../events'
import type { UIMessage } from '../transcript'

export interface TurnLine {
  /** Of the question. */
  id: string
  text: string
  at: string | null
  /** Of the answer that is shown; `null`: there is none yet, or it is on its way. */
  outcome: Outcome | null
}

/** Longer than this, no line shows it. */
const LONGEST = 200

export function turnsOf(messages: readonly UIMessage[]): TurnLine[] {
  const turns: TurnLine[] = []
  for (const { id, role, parts, metadata } of messages) {
    const last = turns.at(-1)
    if (role === 'user') turns.push({ id, text: firstWords(parts), at: metadata.at ?? null, outcome: null })
    else if (last) last.outcome = metadata.outcome ?? null
  }
  return turns
}

/** The beginning of its text, in one line, without the most usual marks of Markdown. */
export function firstWords(parts: UIMessage['parts']): string {
  const text = parts.map((part) => (part.type === 'text' ? part.text.slice(0, 2 * LONGEST) : '')).join(' ')
  return text.replace(/^\s*(?:#{1,6}|>|```\w*)(?=\s)|\*\*|`/gm, '').replace(/\s+/g, ' ').trim().slice(0, LONGEST)
}
