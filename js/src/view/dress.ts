/**
 * Safe nodes to what a person uses: code with its language and a copy button, tables that scroll by themselves,
 * pictures of other hosts behind a button, formulas; and, once a block is complete, what is in `reading/`. The buttons act
 * through `onPress`, one listener for all of them.
 */

import { Lazy } from '../lazy'
import { withWords, words } from '../words'
import { copyText } from './clipboard'
import { highlight } from './highlight'
import { icon } from './Icon'
import { leadsTo } from './links'
import { typeset } from './math'
import { isInlineImage, outsideUrl } from './sanitize'
import type { Notebook } from './types'
import { mark, namesIn } from './unseen'

export const reading = new Lazy(() => withWords(import('./reading')))

/** What `reading` has something for. */
const READING = '.jdc-code, [data-jdc-mark], [data-jdc-note]'

/** Nothing in it may depend on whether its block still grows: the open block is dressed with every frame. */
export function dress(nodes: DocumentFragment): DocumentFragment {
  for (const code of nodes.querySelectorAll<HTMLElement>('pre > code')) dressCode(code)
  for (const table of nodes.querySelectorAll('table')) wrap(table, 'jdc-table').tabIndex = 0
  for (const image of nodes.querySelectorAll('img')) if (!image.hasAttribute('src')) image.replaceWith(stand(image))
  for (const formula of nodes.querySelectorAll<HTMLElement>('[data-jdc-tex]')) {
    formula.className = formula.dataset['jdcTex'] ? 'jdc-math' : 'jdc-math jdc-set'
  }
  for (const link of nodes.querySelectorAll('a')) sayWhere(link)
  // Paragraphs find their direction by themselves (`unicode-bidi`); the marks and edges of these are where the text begins.
  for (const block of nodes.querySelectorAll<HTMLElement>(':is(ul, ol, blockquote, .jdc-table):not([dir])')) block.dir = 'auto'
  mark(nodes)
  typeset(nodes)
  return nodes
}

/** What is worth doing once, when a block is complete. */
export function finish(element: Element): void {
  for (const code of element.querySelectorAll<HTMLElement>('.jdc-code code')) highlight(code)
  if (element.matches(READING) || element.querySelector(READING)) equip(element)
}

function equip(element: Element): void {
  if (reading.module) reading.module.equip(element)
  else void reading.load().then(({ equip }) => equip(element))
}

/** The mouse or the focus comes to something in a text. */
export function onReach(target: Element, notebook: Notebook | null): void {
  reading.module?.reach(target, notebook)
}

/** A press on anything that is put there here. Returns whether it was one. */
export function onPress(target: Element, notebook: Notebook | null): boolean {
  const copy = target.closest('.jdc-copy')
  if (copy) void copyCode(copy)
  const load = target.closest<HTMLElement>('.jdc-load-image')
  if (load) showImage(load)
  return Boolean(copy || load || reading.module?.press(target, notebook))
}

/** A picture that is here, or a button that names the host it would be fetched from. */
export function picture(url: string, alt: string): HTMLElement {
  if (isInlineImage(url)) return image(url, alt)
  const parsed = outsideUrl(url)
  if (!parsed || parsed.protocol === 'mailto:' || parsed.hostname === location.hostname) {
    // What a model asks this page's own host for, with this person's cookies, which all ports share, is not fetched at all.
    const text = document.createElement('span')
    text.textContent = alt || words.image
    text.className = 'jdc-no-image'
    return text
  }
  const button = document.createElement('button')
  button.type = 'button'
  button.className = 'jdc-load-image'
  button.title = parsed.href
  button.dataset['alt'] = alt
  button.textContent = words.showImage(alt, parsed.host)
  return button
}

function stand(placeholder: HTMLImageElement): HTMLElement {
  return picture(placeholder.getAttribute('data-jdc-src') ?? '', placeholder.alt)
}

function image(url: string, alt: string): HTMLImageElement {
  const element = document.createElement('img')
  element.referrerPolicy = 'no-referrer'
  element.alt = alt
  element.src = url
  return element
}

function showImage(button: HTMLElement): void {
  button.replaceWith(image(button.title, button.dataset['alt'] ?? ''))
}

function sayWhere(link: HTMLAnchorElement): void {
  const host = URL.canParse(link.href) ? leadsTo(link.textContent ?? '', new URL(link.href)) : ''
  if (!host) return
  const place = document.createElement('span')
  place.className = 'jdc-leads'
  place.textContent = host
  link.append(place)
}

function dressCode(code: HTMLElement): void {
  const pre = code.parentElement as HTMLElement
  const language = code.dataset['jdcLang'] ?? ''
  const box = wrap(pre, 'jdc-code')
  if (language) box.dataset['lang'] = language
  pre.tabIndex = 0 // so that the arrow keys scroll it
  const button = document.createElement('button')
  button.type = 'button'
  button.className = 'jdc-copy'
  button.ariaLabel = button.title = words.copyCode
  button.append(icon('copy'), icon('check'))
  const tools = document.createElement('div')
  tools.className = 'jdc-tools'
  tools.append(button)
  box.append(tools)
  const names = namesIn(code.textContent ?? '')
  if (!names) return
  const note = document.createElement('p')
  note.className = 'jdc-invisible-note'
  note.textContent = words.unseen(names)
  box.append(note)
}

function wrap(element: Element, className: string): HTMLElement {
  const box = document.createElement('div')
  box.className = className
  element.replaceWith(box)
  box.append(element)
  return box
}

async function copyCode(button: Element): Promise<void> {
  const text = button.closest('.jdc-code')?.querySelector('code')?.textContent ?? ''
  if (!(await copyText(text))) return
  button.classList.add('jdc-copied')
  setTimeout(() => button.classList.remove('jdc-copied'), 1500)
}
