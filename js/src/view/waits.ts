/** What a call waits for. The chat says it also where no call is drawn. */

import { isOver, isOfTurn, nested, type ToolPart, type Transcript } from '../transcript'
import { words } from '../words'

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

/** What the person is to do before the call goes on, for it or for something inside of it; a yes or no comes first. */
export function needsPerson(part: ToolPart): 'approval' | 'person' | null {
  if (isOver(part)) return null
  const calls = [part, ...nested(part.parts ?? [])]
  const kinds = calls.map((call) => (call.type === 'dynamic-tool' ? waits(call) : null))
  return (['approval', 'person'] as const).find((kind) => kinds.includes(kind)) ?? null
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
