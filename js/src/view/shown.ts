/** What of a transcript is shown, on a page and in a saved output alike. */

import { isOfTurn, type Transcript, type UIMessage } from '../transcript'

/** What there is to show: the chosen branch; or one turn's answer with its question, on whatever branch they are. */
export function messagesOf({ messages, others }: Transcript, turn: string | null): UIMessage[] {
  if (turn === null) return messages
  const everything = [...messages, ...others]
  const own = everything.filter((message) => isOfTurn(message, turn))
  const asked = new Set(own.map(({ role, metadata }) => (role === 'assistant' ? metadata.parent : null)))
  return everything.filter((message) => own.includes(message) || asked.has(message.id))
}

/** What an attached cell or variable is called; nothing where nothing says it. */
export function labelOf(data: unknown): string {
  const label = typeof data === 'object' && data !== null && 'label' in data ? data.label : ''
  return typeof label === 'string' ? label : ''
}
