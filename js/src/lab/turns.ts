/**
 * Who writes into a document that several people's pages have open. Two pages that replace an output at the same time would leave
 * two of it; so one comes first, on which all agree, and each of the others waits for what the ones before it write.
 */

import { type App, type NotebookModel, placeOf } from './jupyter'

/** Milliseconds after which a page has heard of all others: each says every 15 s that it is there. */
const HEARD = 20_000

/** Milliseconds for what another page writes, until it is here. */
const WRITTEN = 5_000

/** By the document: when it was first asked about. */
const met = new WeakMap<NotebookModel, number>()

/** When it is this page's turn to write into the notebook that the element is in. Whether another one may have written meanwhile. */
export async function turnToWrite(app: App, from: Element): Promise<boolean> {
  const model = placeOf(app, from)?.model
  if (!model?.collaborative) return false
  const now = Date.now()
  const since = met.get(model) ?? now
  met.set(model, since)
  await passed(since + HEARD - now)
  await passed(pagesBefore(model) * WRITTEN)
  return true
}

function pagesBefore({ sharedModel: { awareness } }: NotebookModel): number {
  return awareness ? [...awareness.getStates().keys()].filter((id) => id < awareness.clientID).length : 0
}

async function passed(ms: number): Promise<void> {
  if (ms > 0) await new Promise((resolve) => setTimeout(resolve, ms))
}
