/**
 * How long something took: the time of those who worked on it, never that of a person or a kernel that was waited for.
 * In milliseconds; `NaN` where nothing says it exactly.
 */

import { nested, type Part, type TextPart, type ToolPart, type Turn, type UIMessage } from '../transcript'

/** Whether somebody was waited for in it. */
function hasWaited(parts: Part[]): boolean {
  return [...nested(parts)].some((part) => part.type === 'dynamic-tool' && (part.approval ?? part.waitsFor) !== undefined)
}

export function thought({ started, finishedAt }: TextPart): number {
  return between(started?.at, finishedAt)
}

/** What a call took since it was run; who asked somebody inside of it has waited, too. */
export function ran({ started, finishedAt, parts = [] }: ToolPart): number {
  return hasWaited(parts) ? Number.NaN : between(started?.at, finishedAt)
}

/** What an answer took, in all of its turns. */
export function worked({ parts, metadata }: UIMessage): number {
  const { at, finished_at, waits, continued = [] } = metadata
  // When a writer died, nobody knows.
  if ([...continued, metadata].some(({ outcome }) => outcome === 'interrupted')) return Number.NaN
  // What was answered before waits were noted has none.
  if (!waits && (continued.length > 0 || hasWaited(parts))) return Number.NaN
  return between(at, finished_at) - waited(waits)
}

/** From when on the running turn's work is counted, so that its waits are none of it; and until when, while it waits. */
export function working({ started_at, waits_since }: Turn, { metadata: { waits = [] } }: UIMessage) {
  const own = waits.filter(({ from }) => Date.parse(from) >= Date.parse(started_at))
  return { from: Date.parse(started_at) + waited(own), until: waits_since === null ? null : Date.parse(waits_since) }
}

function waited(waits: UIMessage['metadata']['waits'] = []): number {
  return waits.reduce((sum, { from, to }) => sum + between(from, to), 0)
}

function between(from = '', to = ''): number {
  const took = Date.parse(to) - Date.parse(from)
  return took >= 0 ? took : Number.NaN
}
