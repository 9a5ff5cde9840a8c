/** What of a notebook can be named in a message: variables of its kernel, its cells, files beside it. */

import type { Part } from '../transcript'
import type { Mention } from '../view/types'
import type { App } from './jupyter'

export async function mentions(_app: App, _query: string, _from: Element, _signal: AbortSignal): Promise<Mention[]> {
  return []
}

export async function mentioned(_app: App, { name }: Mention, _from: Element, _signal: AbortSignal): Promise<Part | File> {
  throw new Error(`There is no ${name} here.`)
}
