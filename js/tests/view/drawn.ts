/** A chat that is drawn, what a person finds in it, and what it was asked to do. */

import { h, render } from 'preact'
import { act } from 'preact/test-utils'
import { beforeEach } from 'vitest'
import { ChatView } from '../../src/view'
import type { Actions, ChatViewProps } from '../../src/view/types'

// jsdom has no layout.
globalThis.ResizeObserver ??= class {
  observe() {}
  unobserve() {}
  disconnect() {}
}
globalThis.CSS ??= { supports: () => true } as unknown as typeof CSS
Element.prototype.scrollIntoView ??= () => undefined

let root: HTMLElement

/** What was asked for since the test began, one line per action. */
export const did: string[] = []

export const actions: Actions = {
  send: (text) => did.push(`send ${text}`),
  resend: (id) => did.push(`resend ${id}`),
  discard: (id) => did.push(`discard ${id}`),
  stop: () => did.push('stop'),
  retry: (id, { text } = {}) => did.push(text === undefined ? `retry ${id}` : `retry ${id} ${text}`),
  continueAnswer: (id) => did.push(`continue ${id}`),
  selectBranch: (id) => did.push(`show ${id}`),
  removeQueued: (id) => did.push(`remove ${id}`),
  editQueued: (id, text) => did.push(`edit ${id} ${text}`),
  reorderQueue: (ids) => did.push(`order ${ids.join(' ')}`),
  resumeQueue: () => did.push('resume'),
  reconnect: () => did.push('reconnect'),
}

beforeEach(() => {
  document.body.replaceChildren((root = document.createElement('div')))
  did.length = 0
})

export async function draw(props: Partial<ChatViewProps>): Promise<void> {
  const whole = { transcript: null, turn: null, state: 'live', gaps: 0, notice: null, outbox: [], actions, ...props } as const
  await act(() => render(h(ChatView, whole), root))
}

export const find = <E extends Element = HTMLElement>(selector: string) => root.querySelector<E>(selector)
export const all = (selector: string) => [...root.querySelectorAll<HTMLElement>(selector)]
export const input = () => find<HTMLTextAreaElement>('textarea.jdc-input') as HTMLTextAreaElement
export const editor = () => find<HTMLTextAreaElement>('textarea.jdc-edit-input') as HTMLTextAreaElement

export async function type(text: string, field = input()): Promise<void> {
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
