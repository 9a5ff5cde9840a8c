// @vitest-environment jsdom
/** What can be named in a notebook that is like JupyterLab's: a kernel that answers us is not busy, one that runs a cell is. */

import { beforeEach, expect, test, vi } from 'vitest'
import type { App, Kernel, Panel } from '../../src/lab/jupyter'
import { mentions } from '../../src/lab/mentions'

type Answer = (names: string[]) => Promise<void>

let kernel: Kernel
let waiting: Answer[]
let isRunning: boolean
let app: App
const chat = document.createElement('div')

/** As JupyterLab's: told to be busy with our own question, too, and to be idle only after that one was answered. */
function makeKernel(): Kernel {
  waiting = []
  return {
    status: 'idle',
    requestExecute() {
      kernel.status = 'busy'
      const done = new Promise<Awaited<ReturnType<Kernel['requestExecute']>['done']>>((resolve) => {
        waiting.push(async (names) => {
          const listed = names.map((name) => ({ name, detail: '' }))
          resolve({ content: { user_expressions: { told: { status: 'ok', data: { 'application/json': listed } } } } })
          await vi.advanceTimersByTimeAsync(0)
          if (waiting.length === 0 && !isRunning) kernel.status = 'idle'
        })
      })
      return { done, dispose: () => undefined }
    },
  }
}

beforeEach(() => {
  vi.useFakeTimers()
  isRunning = false
  kernel = makeKernel()
  const cell = { id: 'chat', node: chat, model: { id: 'chat', type: 'code' } }
  const content = { widgets: [cell], model: { sharedModel: { insertCell: () => undefined } } }
  const panel = { id: 'panel', node: chat, content, context: { path: 'a.ipynb' }, sessionContext: { session: { kernel } } }
  app = { shell: { widgets: () => [panel as unknown as Panel] } } as unknown as App
})

const ask = (query: string) => mentions(app, query, chat, new AbortController().signal)
const answer: Answer = async (names) => waiting.shift()?.(names)
const named = ({ found }: Awaited<ReturnType<typeof mentions>>) => found.map(({ name }) => name)

test('who types on is answered with what the kernel was asked for the first character', async () => {
  const [all, some] = [ask(''), ask('am')]
  expect(waiting).toHaveLength(1)
  await answer(['df', 'amount'])
  expect([named(await all), named(await some)]).toEqual([['df', 'amount'], ['amount']])
  expect(await some).toMatchObject({ kernel: 'ready' })
})

test('the next question is a new one', async () => {
  const first = ask('')
  await answer(['df'])
  await first
  const second = ask('')
  await answer(['df', 'amount'])
  expect(named(await second)).toEqual(['df', 'amount'])
})

test('a kernel that runs a cell is not waited for, and its variables come when it is free', async () => {
  isRunning = true
  kernel.status = 'busy'
  const asked = ask('')
  await vi.advanceTimersByTimeAsync(150)
  const busy = await asked
  expect([named(busy), busy.kernel]).toEqual([[], 'busy'])
  const askedAgain = ask('d')
  await vi.advanceTimersByTimeAsync(0)
  expect(await askedAgain).toMatchObject({ kernel: 'busy' })
  expect(waiting).toHaveLength(1)
  await answer(['df'])
  expect(await busy.later).toMatchObject({ kernel: 'ready', found: [{ name: 'df' }] })
})

test('a kernel that does not answer in time is busy; a question that was lost is asked again', async () => {
  const asked = ask('')
  await vi.advanceTimersByTimeAsync(1_500)
  expect(await asked).toMatchObject({ kernel: 'busy' })
  await vi.advanceTimersByTimeAsync(20_000)
  const again = ask('')
  expect(waiting).toHaveLength(2)
  await waiting[1]?.(['df'])
  expect(named(await again)).toEqual(['df'])
})
