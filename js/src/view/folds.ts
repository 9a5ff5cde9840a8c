/** Which questions are folded, so that their answers are one line each: for each session, in this browser. */

import { useLayoutEffect, useMemo, useState } from 'preact/hooks'
import { keep, kept } from '../storage'

/** So many are kept of a session: the last that were folded. */
const MOST = 1000

export interface Folds {
  has(question: string): boolean
  fold(questions: string[], folded: boolean): void
}

/** Another object whenever something else is folded. */
export function useFolds(session: string | undefined): Folds {
  const [folded, setFolded] = useState<ReadonlySet<string>>(new Set())
  useLayoutEffect(() => setFolded(foldedIn(session)), [session])
  return useMemo(
    () => ({
      has: (question) => folded.has(question),
      fold(questions, fold) {
        const next = new Set(folded)
        for (const question of questions) {
          if (fold) next.add(question)
          else next.delete(question)
        }
        if (session) keep(nameOf(session), next.size > 0 ? [...next].slice(-MOST) : null)
        setFolded(next)
      },
    }),
    [session, folded],
  )
}

function nameOf(session: string): string {
  return `folded:${session}`
}

function foldedIn(session: string | undefined): Set<string> {
  const ids = session ? kept(nameOf(session)) : null
  return new Set(Array.isArray(ids) ? ids.filter((id) => typeof id === 'string') : [])
}
