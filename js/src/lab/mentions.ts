/**
 * What of a notebook can be named in a message: variables of its kernel, its cells, files beside it.
 *
 * The kernel is asked with a silent request (`notebook/mentions.py` answers), which leaves no trace in it. A kernel that is
 * busy answers when it is free: a list does not wait for that, and has the rest meanwhile; a value does, for a while. While it
 * answers us it is busy, too: so it is asked once at a time, and all who want its list wait for the same answer.
 */

import type { Part } from '../transcript'
import type { Mention, Mentions } from '../view/types'
import { type App, type Cell, type Contents, type Kernel, placeOf } from './jupyter'
import { refusal } from './refusal'

/** Of one kind, in a list. */
const MOST = 8
/** Characters of a cell, as of any value (`notebook/values.py`). */
const TEXT = 20_000
const LIST_MS = 1_000
/** As long as a kernel that has just answered may still be told to be busy. */
const BUSY_MS = 100
const VALUE_MS = 15_000
/** A question that a lost connection took along is asked again. */
const AGAIN_MS = 10_000

export async function mentions(app: App, query: string, from: Element, signal: AbortSignal): Promise<Mentions> {
  const place = placeOf(app, from)
  if (!place) return { found: [], kernel: 'ready' }
  const { panel, notebook, cell } = place
  const kernel = kernelOf(panel.sessionContext.session?.kernel)
  const [variables, files] = await Promise.all([
    variablesOf(kernel),
    filesOf(app.serviceManager?.contents, panel.context.path, query).catch(() => []),
  ])
  signal.throwIfAborted()
  const fit = ({ found, kernel }: Variables): Mentions => {
    const cells = notebook.widgets.flatMap((other, index) => (other === cell ? [] : cellMention(other, index)))
    return { found: [found, cells, files].flatMap((some) => fitting(some, query)), kernel }
  }
  return variables.later ? { ...fit(variables), later: variables.later.then(fit) } : fit(variables)
}

export async function mentioned(app: App, mention: Mention, from: Element, signal: AbortSignal): Promise<Part | File> {
  const place = placeOf(app, from)
  if (!place) throw refusal('noCell')
  const { panel, notebook } = place
  switch (mention.kind) {
    case 'variable':
      return valueOf(kernelOf(panel.sessionContext.session?.kernel), mention.name, signal)
    case 'cell': {
      const found = notebook.widgets.findIndex(({ model }) => model.id === mention.id)
      const cell = notebook.widgets[found]
      if (!cell) throw refusal('cellGone')
      return { type: 'data-cell', data: { label: mention.name.replace(':', ' '), text: cellText(cell, found) } }
    }
    case 'file':
      return fileOf(app.serviceManager?.contents, besides(panel.context.path, mention.name), signal)
  }
}

/** What begins with the query comes before what only has it. */
function fitting(all: Mention[], query: string): Mention[] {
  const wanted = query.toLowerCase()
  const rank = ({ name }: Mention) => {
    const place = name.toLowerCase().indexOf(wanted)
    return place < 0 ? 2 : Math.min(place, 1)
  }
  const found = all.filter((mention) => rank(mention) < 2)
  return found.sort((a, b) => rank(a) - rank(b)).slice(0, MOST)
}

// The kernel

function kernelOf(kernel: unknown): Kernel | null {
  return typeof (kernel as Kernel | null)?.requestExecute === 'function' ? (kernel as Kernel) : null
}

interface Variables extends Mentions {
  later?: Promise<Variables>
}

/** What each kernel is being asked, and until when it is waited for. */
const asked = new WeakMap<Kernel, { variables: Promise<Variables>; until: number }>()

/** The variables, or why there are none to be had; of a busy kernel, later. */
async function variablesOf(kernel: Kernel | null): Promise<Variables> {
  if (!kernel) return { found: [], kernel: 'none' }
  const pending = asked.get(kernel)
  const { variables, until } = pending && Date.now() < pending.until + AGAIN_MS ? pending : ask(kernel)
  const answer = await within(variables, Math.max(0, until - Date.now())).catch(() => null)
  return answer ?? { found: [], kernel: 'busy', later: variables }
}

function ask(kernel: Kernel) {
  const variables = evaluated(kernel, 'names()').then((listed): Variables => {
    if (!Array.isArray(listed)) return { found: [], kernel: 'foreign' }
    return { found: listed.map(({ name, detail }) => ({ kind: 'variable', name: String(name), detail: String(detail) })), kernel: 'ready' }
  })
  const question = { variables, until: Date.now() + (kernel.status === 'busy' ? BUSY_MS : LIST_MS) }
  asked.set(kernel, question)
  const settle = () => asked.get(kernel) === question && asked.delete(kernel)
  variables.then(settle, settle)
  return question
}

async function valueOf(kernel: Kernel | null, name: string, signal: AbortSignal): Promise<Part | File> {
  if (!kernel) throw refusal('noKernel')
  const told = await within(evaluated(kernel, `value(${JSON.stringify(name)})`), VALUE_MS)
  signal.throwIfAborted()
  const { part, file, filename, mediaType, error } = (told ?? {}) as Record<string, unknown>
  if (typeof part === 'object' && part !== null) return part as Part
  if (typeof file === 'string') return new File([bytesOf(file)], String(filename), { type: String(mediaType) })
  throw typeof error === 'string' ? new Error(error) : refusal('noKernel')
}

/** The JSON that an expression of `notebook/mentions.py` gives; `null` from a kernel that does not have it. */
async function evaluated(kernel: Kernel, expression: string): Promise<unknown> {
  const module = 'jupyter_durable_chat.notebook.mentions'
  const { done } = kernel.requestExecute({
    code: '',
    silent: true,
    store_history: false,
    stop_on_error: false,
    user_expressions: { told: `__import__(${JSON.stringify(module)}, fromlist=['*']).${expression}` },
  })
  const { status, data } = (await done).content.user_expressions?.['told'] ?? {}
  return status === 'ok' ? data?.['application/json'] : null
}

function within<T>(promise: Promise<T>, ms: number): Promise<T> {
  return new Promise((resolve, reject) => {
    const timer = setTimeout(() => reject(refusal('kernelBusy')), ms)
    promise.then(resolve, reject).finally(() => clearTimeout(timer))
  })
}

// Cells

function cellMention(cell: Cell, index: number): Mention[] {
  const name = cellName(cell, index)
  const [line] = cell.model.sharedModel.source.split('\n').filter((line) => line.trim())
  return line === undefined ? [] : [{ kind: 'cell', name, detail: line.trim(), id: cell.model.id }]
}

/** As `chat.send(attach="cell:3")` names it: by the number in front of it. A cell without one is named by its place. */
function cellName(cell: Cell, index: number): string {
  const { executionCount: count } = cell.model as { executionCount?: number | null }
  return typeof count === 'number' ? `cell:${count}` : `cell:#${index + 1}`
}

function cellText(cell: Cell, index: number): string {
  const source = cell.model.sharedModel.source.replace(/^\n+|\n+$/g, '')
  if (cell.model.type !== 'code') return shortened(source)
  const { outputs } = jsonOf(cell)
  const number = cellName(cell, index).slice('cell:'.length)
  const output = Array.isArray(outputs) ? outputs.map(outputText).filter(Boolean).join('\n') : ''
  return shortened(`In [${number}]:\n${source}${output ? `\n\nOut [${number}]:\n${output}` : ''}`)
}

function jsonOf(cell: Cell): Record<string, unknown> {
  const { toJSON } = cell.model as { toJSON?: () => Record<string, unknown> }
  return toJSON?.call(cell.model) ?? {}
}

/** The text of an output, as a notebook's file has it. */
function outputText(output: unknown): string {
  const { text, data, ename, evalue } = output as Record<string, unknown>
  if (ename !== undefined) return `${String(ename)}: ${String(evalue)}`
  return joined(text ?? (data as Record<string, unknown> | undefined)?.['text/plain']).trimEnd()
}

function joined(text: unknown): string {
  return Array.isArray(text) ? text.join('') : typeof text === 'string' ? text : ''
}

function shortened(text: string): string {
  return text.length <= TEXT ? text : `${text.slice(0, TEXT)}\n[cut: ${TEXT} of ${text.length} characters]`
}

// Files

/** What is in the folder that the query is in: the notebook's, or one below it. */
async function filesOf(contents: Contents | undefined, notebook: string, query: string): Promise<Mention[]> {
  const folder = query.slice(0, query.lastIndexOf('/') + 1)
  const { content } = (await contents?.get(besides(notebook, folder).replace(/\/$/, ''), { content: true })) ?? {}
  if (!Array.isArray(content)) return []
  const shown = (content as { name: string; type: string; size?: number | null }[]).filter(({ name }) => !name.startsWith('.'))
  return shown.map(({ name, type, size }) =>
    type === 'directory'
      ? { kind: 'file', name: `${folder}${name}/`, detail: '' }
      : { kind: 'file', name: folder + name, detail: typeof size === 'number' ? `${size.toLocaleString()} B` : type },
  )
}

async function fileOf(contents: Contents | undefined, path: string, signal: AbortSignal): Promise<File> {
  const found = await contents?.get(path, { type: 'file', format: 'base64', content: true }).catch(() => null)
  signal.throwIfAborted()
  if (typeof found?.content !== 'string') throw refusal('fileGone')
  return new File([bytesOf(found.content)], found.name, { type: found.mimetype ?? '' })
}

/** A path beside a notebook's, on its drive. */
function besides(notebook: string, name: string): string {
  const [drive = ''] = /^[^/:]+:/.exec(notebook) ?? []
  const path = notebook.slice(drive.length)
  return drive + path.slice(0, path.lastIndexOf('/') + 1) + name
}

function bytesOf(base64: string): Uint8Array<ArrayBuffer> {
  return Uint8Array.from(atob(base64.replace(/\s/g, '')), (character) => character.charCodeAt(0))
}
