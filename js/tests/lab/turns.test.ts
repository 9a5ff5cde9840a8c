// @vitest-environment jsdom
/** Of the pages on one document each writes in its turn, and all agree on the turns. */

import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import type { App } from '../../src/lab/jupyter'
import { turnToWrite } from '../../src/lab/turns'

beforeEach(() => void vi.useFakeTimers())
afterEach(() => void vi.useRealTimers())

/** One page, whose document all of these have open. */
function page(own: number, all: number[], collaborative = true): { app: App; chat: Element } {
  const chat = document.createElement('div')
  const awareness = { clientID: own, getStates: () => new Map(all.map((id) => [id, {}])) }
  const model = { collaborative, sharedModel: { insertCell: () => undefined, awareness } }
  const content = { widgets: [{ node: chat, model: { id: 'chat' } }], model }
  const panel = { id: 'panel', node: chat, content, context: { path: 'a.ipynb' }, sessionContext: {} }
  return { app: { shell: { widgets: () => [panel] } } as unknown as App, chat }
}

/** Milliseconds until it is the page's turn. */
async function turn({ app, chat }: ReturnType<typeof page>): Promise<[number, boolean]> {
  const start = Date.now()
  let found: [number, boolean] | undefined
  void turnToWrite(app, chat).then((others) => (found = [Date.now() - start, others]))
  await vi.advanceTimersByTimeAsync(60_000)
  return found as [number, boolean]
}

test('a document that one page has is written at once', async () => {
  expect(await turn(page(7, [7], false))).toEqual([0, false])
  const { app } = page(7, [7])
  expect(await turn({ app, chat: document.createElement('div') })).toEqual([0, false])
})

test('pages wait until they know of each other, and then one after the other', async () => {
  const pages = [7, 3, 5].map((own) => page(own, [7, 3, 5]))
  const first = []
  for (const each of pages) first.push(await turn(each))
  expect(first).toEqual([30_000, 20_000, 25_000].map((ms) => [ms, true]))
  expect(await turn(pages[1] as ReturnType<typeof page>)).toEqual([0, true])
})
