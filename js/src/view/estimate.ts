/** How tall a message will be, about, that was never drawn: so that the scrollbar is nearly right. */

import type { Part, UIMessage } from '../transcript'

/** In CSS pixels, at the usual size of text. */
const LINE = 22
const CHARACTER = 7
const FRAME = { user: 42, assistant: 30 }
const OTHERS: Partial<Record<Part['type'], number>> = { reasoning: 30, 'dynamic-tool': 50, file: 60, 'data-plan': 120 }

export function estimate({ role, parts }: UIMessage, width: number): number {
  const heights = parts.map((part) =>
    part.type === 'text' ? heightOf(part.text, (role === 'user' ? 0.8 : 1) * width) : (OTHERS[part.type] ?? 0),
  )
  return FRAME[role] + heights.reduce((one, other) => one + other, 0)
}

/** The same for a text. */
export function heightOf(text: string, width: number): number {
  return LINE * lines(text, Math.max(20, width / CHARACTER))
}

function lines(text: string, perLine: number): number {
  let count = 0
  for (let at = 0; at <= text.length; ) {
    const newline = text.indexOf('\n', at)
    const end = newline < 0 ? text.length : newline
    count += Math.max(1, Math.ceil((end - at) / perLine))
    at = end + 1
  }
  return count
}
