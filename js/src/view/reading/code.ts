/**
 * A code block's buttons: into the notebook, and in a menu what is needed less often. What the notebook cannot take is
 * not offered; what goes wrong is said under the code.
 */

import { words } from '../../words'
import { kindOf } from '../kinds'
import { offer } from '../offer'
import type { Notebook, Refusal, Snippet } from '../types'
import { button } from './button'
import { equipDiagram, isDiagram, itemsOfDiagram, pressDiagram } from './diagram'
import { fileName } from './filename'
import { chooseItem, type Item, toggleMenu } from './menu'
import { titleOf } from './title'
import { isWrapped, toggleWrap, wrapIn } from './wrap'

export function equipCode(box: HTMLElement): void {
  const tools = box.querySelector('.jdc-tools')
  if (!tools || tools.querySelector('.jdc-more')) return
  wrapIn(box)
  const title = titleOf(box.querySelector('code')?.dataset['jdcInfo'] ?? '')
  if (title) box.dataset['title'] = title
  const more = button('jdc-more', 'more', words.moreOfCode)
  more.ariaHasPopup = 'menu'
  tools.append(button('jdc-insert', 'insert', words.insertBelow), button('jdc-run', 'play', words.runBelow), more)
  if (isDiagram(box)) equipDiagram(box)
}

/** Shows whether the notebook takes the code. */
export function reachCode(box: HTMLElement, notebook: Notebook | null): void {
  box.toggleAttribute('data-takes', notebook?.kinds(box)?.includes(kindOf(languageOf(box))) ?? false)
}

export function pressCode(target: Element, notebook: Notebook | null): boolean {
  if (chooseItem(target)) return true
  const pressed = target.closest<HTMLElement>('.jdc-tools > button, .jdc-zoom')
  const box = pressed?.closest<HTMLElement>('.jdc-code')
  if (!pressed || !box) return false
  if (pressDiagram(pressed, box)) return true
  if (pressed.matches('.jdc-insert') && notebook) act(box, pressed, notebook.insertBelow(snippetOf(box), box))
  else if (pressed.matches('.jdc-run') && notebook) act(box, pressed, notebook.run(snippetOf(box), box))
  else if (pressed.matches('.jdc-more')) toggleMenu(pressed, itemsOf(box, pressed, notebook))
  else return false
  return true
}

function itemsOf(box: HTMLElement, from: HTMLElement, notebook: Notebook | null): Item[] {
  const { code, language } = snippetOf(box)
  const name = fileName(language, box.dataset['title'] ?? '')
  const replace = notebook && box.hasAttribute('data-takes') ? [replacing(box, from, notebook)] : []
  const others: Item[] = [
    { label: words.wrapLines, checked: isWrapped(), choose: toggleWrap },
    { label: words.downloadCode, detail: name, choose: () => offer(new Blob([`${code}\n`]), name) },
    ...itemsOfDiagram(box),
  ]
  return replace[0]?.disabled ? [...others, ...replace] : [...replace, ...others]
}

/** Says what would be replaced. */
function replacing(box: HTMLElement, from: HTMLElement, notebook: Notebook): Item {
  const target = notebook.target(box)
  const choose = () => act(box, from, notebook.replace(snippetOf(box), box))
  if (!target) return { label: words.replaceCell, detail: words.refusals.nothingToReplace, disabled: true, choose }
  const { count, line } = target
  return { label: words.replaceCell, detail: `[${count ?? ' '}] ${line}`, choose }
}

function act(box: HTMLElement, pressed: HTMLElement, doing: Promise<void>): void {
  box.querySelector('.jdc-refused')?.remove()
  doing.then(
    () => {
      pressed.classList.add('jdc-copied')
      setTimeout(() => pressed.classList.remove('jdc-copied'), 1500)
    },
    ({ message }: Error) => refuse(box, words.refusals[message as Refusal] ?? message),
  )
}

function refuse(box: HTMLElement, why: string): void {
  const note = document.createElement('p')
  note.className = 'jdc-refused'
  note.role = 'alert'
  note.textContent = why
  box.append(note)
}

function languageOf(box: HTMLElement): string {
  return box.dataset['lang'] ?? ''
}

function snippetOf(box: HTMLElement): Snippet {
  return { code: box.querySelector('code')?.textContent ?? '', language: languageOf(box) }
}
