/** Footnotes: a mark leads to its note, the note back to the mark. They find each other within their text, without ids. */

import { words } from '../../words'

/** How much of a note is worth a tooltip. */
const LONGEST = 300

/** The mark from which a person came to a note. */
const cameFrom = new WeakMap<Element, HTMLElement>()

export function equipMark(sup: HTMLElement): void {
  if (sup.querySelector('button')) return
  const button = document.createElement('button')
  button.type = 'button'
  button.className = 'jdc-mark'
  button.textContent = sup.textContent
  button.ariaLabel = words.footnote(sup.textContent ?? '')
  sup.replaceChildren(button)
}

export function equipNote(note: HTMLElement): void {
  if (note.querySelector('.jdc-unmark')) return
  note.tabIndex = -1
  const button = document.createElement('button')
  button.type = 'button'
  button.className = 'jdc-unmark'
  button.ariaLabel = button.title = words.backToText
  button.textContent = '↩\ufe0e'
  const { lastElementChild: last } = note
  ;(last?.nodeName === 'P' ? last : note).append(' ', button)
}

/** What the note says is the mark's tooltip; read when it is asked for, because the note may come much later. */
export function reachMark(mark: HTMLElement): void {
  const note = noteOf(mark)?.cloneNode(true) as HTMLElement | undefined
  for (const own of note?.querySelectorAll('.jdc-unmark, p:first-child > sup:first-child') ?? []) own.remove()
  const text = note?.textContent?.replace(/\s+/g, ' ').trim() ?? ''
  mark.title = text.length > LONGEST ? `${text.slice(0, LONGEST)}…` : text
}

export function pressNote(target: Element): boolean {
  const mark = target.closest<HTMLElement>('.jdc-mark')
  const note = mark ? noteOf(mark) : target.closest('.jdc-unmark')?.closest<HTMLElement>('[data-jdc-note]')
  if (!note) return false
  if (mark) cameFrom.set(note, mark)
  show(mark ? note : markOf(note))
  return true
}

function noteOf(mark: Element): HTMLElement | undefined {
  const name = mark.closest<HTMLElement>('[data-jdc-mark]')?.dataset['jdcMark']
  return beside(mark, '[data-jdc-note]').find(({ dataset }) => dataset['jdcNote'] === name)
}

function markOf(note: HTMLElement): HTMLElement | undefined {
  const mark = cameFrom.get(note)
  if (mark?.isConnected) return mark
  const sup = beside(note, '[data-jdc-mark]').find(({ dataset }) => dataset['jdcMark'] === note.dataset['jdcNote'])
  return sup?.querySelector<HTMLElement>('.jdc-mark') ?? undefined
}

/** All of these in the same text. */
function beside(element: Element, selector: string): HTMLElement[] {
  return [...(element.closest('.jdc-markdown')?.querySelectorAll<HTMLElement>(selector) ?? [])]
}

function show(place: HTMLElement | undefined): void {
  place?.focus({ preventScroll: true })
  place?.scrollIntoView({ block: 'nearest' })
}
