/**
 * What a message names of the notebook, and who is to answer it. A value is read when the message is sent, as it is then; what
 * cannot be read is said, nothing is sent, and nothing is lost.
 */

import { useEffect, useRef, useState } from 'preact/hooks'
import type { Part } from '../transcript'
import { words } from '../words'
import { isNamed } from './names'
import type { Actions, Mention, Notebook } from './types'

interface Named {
  /** What the text says of what was chosen. */
  mentions: readonly Mention[]
  agent: string | null
  problems: ReadonlyMap<Mention, string>
  /** Values are being read. */
  reading: boolean
  add(mention: Mention): void
  remove(mention: Mention): void
  ask(agent: string | null): void
  /** The parts of what is named; `null` when some cannot be had, or it was given up. */
  read(from: Element): Promise<Part[] | null>
  giveUp(): void
  clear(): void
}

export function useNamed(actions: Actions | null, notebook: Notebook | null, text: string): Named {
  const [draft] = useState(() => actions?.draft() ?? null)
  const [chosen, setChosen] = useState<readonly Mention[]>(draft?.named ?? [])
  const [agent, setAgent] = useState(draft?.agent ?? null)
  const [problems, setProblems] = useState<ReadonlyMap<Mention, string>>(new Map())
  const [reading, setReading] = useState<AbortController | null>(null)
  const closing = useRef(reading)
  closing.current = reading
  useEffect(() => () => closing.current?.abort(), [])
  const mentions = chosen.filter((mention) => isNamed(text, mention))

  const part = async (mention: Mention, from: Element, signal: AbortSignal): Promise<Part> => {
    if (!actions || !notebook) throw new Error(words.noNotebook)
    const found = await notebook.mentioned(mention, from, signal)
    return found instanceof File ? actions.upload(found, signal) : found
  }
  return {
    mentions,
    agent,
    problems,
    reading: reading !== null,
    add: (mention) =>
      setChosen((chosen) => [...chosen.filter(({ kind, name }) => kind !== mention.kind || name !== mention.name), mention]),
    remove: (mention) => setChosen((chosen) => chosen.filter((other) => other !== mention)),
    ask: setAgent,
    async read(from) {
      const ending = new AbortController()
      setReading(ending)
      const told = await Promise.allSettled(mentions.map((mention) => part(mention, from, ending.signal)))
      if (ending.signal.aborted) return null
      setReading(null)
      const failed = told.flatMap((one, index) => {
        const mention = mentions[index]
        return one.status === 'rejected' && mention ? [[mention, inWords(one.reason)] as const] : []
      })
      setProblems(new Map(failed))
      return failed.length > 0 ? null : told.flatMap((one) => (one.status === 'fulfilled' ? [one.value] : []))
    },
    giveUp() {
      reading?.abort()
      setReading(null)
    },
    clear() {
      setChosen([])
      setAgent(null)
      setProblems(new Map())
    },
  }
}

/** The plugin says why with a word of the table, or as it is. */
function inWords(reason: unknown): string {
  const why = reason instanceof Error ? reason.message : String(reason)
  const known: Record<string, string> = words.refusals
  return Object.hasOwn(known, why) ? (known[why] ?? why) : why
}
