/** A chat that is drawn, what a person finds in it, and what it was asked to do. */

import { h, options, render } from 'preact'
import { act } from 'preact/test-utils'
import { afterEach, beforeAll, beforeEach } from 'vitest'
import { ChatView } from '../../src/view'
import { calls, codes, controls, values, writing } from '../../src/view/late'
import type { Actions, Agents, ChatViewProps, Draft } from '../../src/view/types'

// jsdom has no layout.
globalThis.ResizeObserver ??= class {
  observe() {}
  unobserve() {}
  disconnect() {}
}
globalThis.IntersectionObserver ??= class {
  observe() {}
  disconnect() {}
} as unknown as typeof IntersectionObserver
globalThis.CSS ??= { supports: () => true } as unknown as typeof CSS
Element.prototype.scrollIntoView ??= () => undefined

let root: HTMLElement

/** What was asked for since the test began, one line per action. */
export const did: string[] = []

/** What was said of the writing. */
export const said = { writing: [] as boolean[] }

/** What the server says. */
export const taken = {
  commands: true,
  agents: { default: 'demo', agents: [] } as Agents,
  draft: null as Draft | null,
}

export const actions: Actions = {
  send: (text, { parts, ...choice } = {}) =>
    did.push(['send', text, ...[parts, Object.keys(choice).length ? choice : null].filter(Boolean).map((one) => JSON.stringify(one))].join(' ')),
  resend: (id) => did.push(`resend ${id}`),
  discard: (id) => did.push(`discard ${id}`),
  amend: (id, text) => did.push(`amend ${id} ${text}`),
  draft: () => taken.draft,
  keepDraft: (draft) => (taken.draft = draft),
  writes: (isWriting) => said.writing.push(isWriting),
  stop: () => did.push('stop'),
  retry: (id, { text, ...choice } = {}) =>
    did.push(['retry', id, text, ...(Object.keys(choice).length ? [JSON.stringify(choice)] : [])].filter((word) => word !== undefined).join(' ')),
  continueAnswer: (id) => did.push(`continue ${id}`),
  selectBranch: (id) => did.push(`show ${id}`),
  removeQueued: (id) => did.push(`remove ${id}`),
  editQueued: (id, text) => did.push(`edit ${id} ${text}`),
  reorderQueue: (ids) => did.push(`order ${ids.join(' ')}`),
  resumeQueue: () => did.push('resume'),
  approve: async (id, approved, reason) => {
    did.push(['approve', id, approved, reason || ''].join(' ').trim())
    return taken.commands
  },
  answerCall: async (id, output) => {
    did.push(`answer ${id} ${JSON.stringify(output)}`)
    return taken.commands
  },
  choose: (choice) => did.push(`choose ${JSON.stringify(choice)}`),
  agents: async (fresh) => {
    did.push(fresh ? 'agents again' : 'agents')
    return taken.agents
  },
  upload: async (file) => {
    did.push(`upload ${file.name}`)
    if (file.size > 100) throw new Error('The file is too large.')
    return { type: 'file', mediaType: file.type || 'text/plain', url: `attachment:${'a'.repeat(64)}`, filename: file.name }
  },
  attachment: async (url) => {
    did.push(`fetch ${url}`)
    return new Blob(['bytes'])
  },
  fork: async (id) => {
    did.push(`fork ${id}`)
    if (!taken.commands) throw new Error('The server is away.')
    return { session: 's_new', page: 'http://localhost:8888/durable-chat/s/s_new' }
  },
  exported: async (format) => {
    did.push(`file ${format}`)
    if (!taken.commands) throw new Error('The server is away.')
    return { bytes: new Blob(['text']), name: `Ä.${format}` }
  },
  address: () => 'https://hub.example/user/ada/durable-chat/s/s_1',
  mayShare: async () => taken.commands,
  makeLink: async ({ name, seconds }) => {
    did.push(`share ${name} ${seconds}`)
    return { id: 'h_new', link: `https://hub.example/user/ada/durable-chat/share/s_1#${'t'.repeat(32)}` }
  },
  revokeLink: async (id) => void did.push(`revoke ${id}`),
  reconnect: () => did.push('reconnect'),
}

// Preact would cancel a frame of a page that may be gone by then.
options.requestAnimationFrame = (flush) => void setTimeout(flush)

// What comes in chunks is there, so that everything is drawn at once.
beforeAll(() => Promise.all([calls.load(), codes.load(), controls.load(), values.load(), writing.load()]))

beforeEach(() => {
  document.body.replaceChildren((root = document.createElement('div')))
  did.length = 0
  said.writing = []
  taken.commands = true
  taken.draft = null
})

afterEach(() => act(() => render(null, root)))

export async function draw(props: Partial<ChatViewProps>): Promise<void> {
  const whole = { transcript: null, turn: null, state: 'live', gaps: 0, notice: null, outbox: [], actions, notebook: null, you: null, others: [], now: Date.now, ...props } as const
  await act(() => render(h(ChatView, whole), root))
}

export const find = <E extends Element = HTMLElement>(selector: string) => root.querySelector<E>(selector)
export const all = (selector: string) => [...root.querySelectorAll<HTMLElement>(selector)]
export const input = () => find<HTMLTextAreaElement>('textarea.jdc-input') as HTMLTextAreaElement
export const editor = () => find<HTMLTextAreaElement>('textarea.jdc-edit-input') as HTMLTextAreaElement

export async function type(text: string, field: HTMLTextAreaElement | HTMLInputElement = input()): Promise<void> {
  field.value = text
  await act(() => void field.dispatchEvent(new InputEvent('input', { bubbles: true })))
}

export async function press(key: string, more: KeyboardEventInit = {}, target: Element = input()): Promise<KeyboardEvent> {
  const event = new KeyboardEvent('keydown', { key, bubbles: true, cancelable: true, ...more })
  await act(() => void target.dispatchEvent(event))
  return event
}

/** Presses a button, which must be there and take it. */
export async function click(selector: string): Promise<void> {
  const button = find<HTMLButtonElement>(selector)
  if (!button || button.disabled) throw new Error(`${selector} cannot be pressed`)
  await act(() => button.click())
}

export async function open(selector: string): Promise<void> {
  const details = find<HTMLDetailsElement>(selector) as HTMLDetailsElement
  details.open = true
  await act(() => void details.dispatchEvent(new Event('toggle')))
}
