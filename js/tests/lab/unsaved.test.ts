// @vitest-environment jsdom
/** Which notebooks are offered to be saved, how often, and what becomes of the offer. */

import { beforeEach, expect, test } from 'vitest'

import type { App, CommandOptions, Panel } from '../../src/lab/jupyter'
import { Preferred } from '../../src/lab/settings'
import { Unsaved } from '../../src/lab/unsaved'

let offers: { message: string; actions: { label: string; commandId: string; args: Record<string, unknown> }[]; shown: boolean }[]
let panel: Panel & { context: { model: { dirty: boolean } } }
let cell: HTMLElement
let file: unknown
let saved: number
let settle: () => void
let close: () => void
let preferred: Preferred
let unsaved: Unsaved
const commands = new Map<string, CommandOptions>()

const MIME = 'application/vnd.jupyter-durable-chat.v1+json'
const fileWith = (session: string) => ({ cells: [{}, { outputs: [{ data: { [MIME]: { session } } }] }] })

beforeEach(() => {
  localStorage.clear()
  offers = []
  saved = 0
  file = { cells: [] }
  const node = document.body.appendChild(document.createElement('div'))
  cell = node.appendChild(document.createElement('div'))
  const context = {
    path: 'data/a.ipynb',
    ready: Promise.resolve(),
    model: { dirty: true },
    save: async () => {
      saved += 1
      context.model.dirty = false
      settle()
    },
    saveState: { connect: (slot: () => void) => ((settle = slot), true), disconnect: () => true },
  }
  const model = { sharedModel: { insertCell: () => undefined, getMetadata: () => undefined } }
  panel = { id: 'p', node, disposed: { connect: (slot: () => void) => ((close = slot), true) }, context, content: { widgets: [{ node: cell }], model }, sessionContext: {} } as unknown as typeof panel
  const app = {
    serviceManager: { contents: { get: async () => ({ name: 'a', content: file }) } },
    shell: { widgets: () => [panel] },
    commands: {
      hasCommand: () => true,
      addCommand: (id: string, options: CommandOptions) => commands.set(id, options),
      execute: async (id: string, args: never) => (id === 'apputils:notify' ? offer(args) : (offers[Number(args['id'])] as { shown: boolean }).shown = false),
    },
  } as unknown as App
  preferred = new Preferred(null)
  unsaved = new Unsaved(app, preferred)
})

function offer({ message, options }: { message: string; options: { actions: (typeof offers)[0]['actions'] } }): number {
  return offers.push({ message, actions: options.actions, shown: true }) - 1
}

const press = (label: string) => {
  const action = offers.at(-1)?.actions.find((action) => action.label === label)
  return commands.get(action?.commandId ?? '')?.execute(action?.args ?? {})
}

test('one whose file does not have the chat, once; saved is saved', async () => {
  await unsaved.begun('s_1', cell)
  await unsaved.begun('s_2', cell)
  expect(offers.map(({ message }) => message)).toEqual(['a.ipynb is not saved with its chat yet. After a reload it would not be there to see.'])
  await press('Save')
  expect([saved, offers[0]?.shown]).toEqual([1, false])
})

test('what is saved by itself takes the offer back', async () => {
  await unsaved.begun('s_1', cell)
  await panel.context.save()
  expect(offers[0]?.shown).toBe(false)
})

test('none that has the chat in its file, or has no changes, or is no notebook, or where nobody wants that', async () => {
  file = fileWith('s_1')
  await unsaved.begun('s_1', cell)
  panel.context.model.dirty = false
  await unsaved.begun('s_2', cell)
  await unsaved.begun('s_2', document.body)
  panel.context.model.dirty = true
  preferred.offersToSave = false
  await unsaved.begun('s_2', cell)
  expect(offers).toEqual([])
  preferred.offersToSave = true
  await unsaved.begun('s_2', cell)
  expect(offers).toHaveLength(1)
})

test('of a notebook that is closed the offer goes', async () => {
  await unsaved.begun('s_1', cell)
  close()
  expect(offers[0]?.shown).toBe(false)
})

test('who declines is not asked again for this notebook, on whatever page', async () => {
  await unsaved.begun('s_1', cell)
  await press('Not for This Notebook')
  expect([saved, offers[0]?.shown]).toEqual([0, false])
  panel = { ...panel, context: { ...panel.context } }
  await unsaved.begun('s_2', cell)
  expect(offers).toHaveLength(1)
  panel = { ...panel, context: { ...panel.context, path: 'b.ipynb' } }
  await unsaved.begun('s_2', cell)
  expect(offers).toHaveLength(2)
})
