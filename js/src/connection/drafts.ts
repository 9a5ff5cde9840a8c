/**
 * What is being written in a session, as the browser keeps it until it is sent: when the page is left, and until the notebook is
 * opened again. Of two tabs the one that writes last is right; neither looks over the other's shoulder.
 */

import { isRecord, restoreParts } from '../restore'
import { forgetOld, keep, kept } from '../storage'
import type { Draft, Mention } from '../view/types'

/** Characters of its JSON: a draft that has more is not kept. */
const LIMIT = 200_000

const DAYS = 30

const DRAFTS = 'draft:'

/** `session` is its address. */
export function keptDraft(session: string): Draft | null {
  const found = kept(DRAFTS + session)
  if (!isRecord(found) || typeof found.text !== 'string' || !Array.isArray(found.files)) return null
  const files = found.files.filter(isRecord).flatMap(({ part, size }) =>
    restoreParts([part]).flatMap((part) => (part.type === 'file' && typeof size === 'number' ? [{ part, size }] : [])),
  )
  const named = Array.isArray(found.named) ? found.named.filter(isMention) : []
  return { text: found.text, files, named, agent: typeof found.agent === 'string' ? found.agent : null }
}

export function keepDraft(session: string, draft: Draft | null): void {
  keep(DRAFTS + session, draft && JSON.stringify(draft).length <= LIMIT ? draft : null)
}

export function forgetOldDrafts(): void {
  forgetOld(DRAFTS, DAYS)
}

function isMention(found: unknown): found is Mention {
  if (!isRecord(found) || typeof found.name !== 'string' || typeof found.detail !== 'string') return false
  return found.kind === 'variable' || found.kind === 'cell' || found.kind === 'file'
}
