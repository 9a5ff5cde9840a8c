/**
 * What a person does with an answer beside reading it: with its code, its diagrams, its notes. A chunk of its own, which
 * comes with the first of these. It changes nothing that a redraw would not bring back.
 */

import { addStyles } from '../styles'
import type { Notebook } from '../types'
import { equipCode, pressCode, reachCode } from './code'
import { equipMark, equipNote, pressNote, reachMark } from './notes'
import css from './reading.css'

addStyles(css)

/** Gives what a complete block has of these its buttons. Once or again. */
export function equip(block: Element): void {
  for (const box of within(block, '.jdc-code')) {
    equipCode(box)
    // Where the mouse was before the code, it does not come to it.
    if (box.matches(':hover')) box.dispatchEvent(new PointerEvent('pointerover', { bubbles: true }))
  }
  for (const mark of within(block, '[data-jdc-mark]')) equipMark(mark)
  for (const note of within(block, '[data-jdc-note]')) equipNote(note)
}

/** The mouse, a finger or the focus comes to something. */
export function reach(target: Element, notebook: Notebook | null): void {
  const box = target.closest<HTMLElement>('.jdc-code')
  if (box) reachCode(box, notebook)
  const mark = target.closest<HTMLElement>('.jdc-mark')
  if (mark) reachMark(mark)
}

/** A press on anything that is here. Returns whether it was one. */
export function press(target: Element, notebook: Notebook | null): boolean {
  return pressCode(target, notebook) || pressNote(target)
}

function within(block: Element, selector: string): HTMLElement[] {
  const found = [...block.querySelectorAll<HTMLElement>(selector)]
  return block instanceof HTMLElement && block.matches(selector) ? [block, ...found] : found
}
