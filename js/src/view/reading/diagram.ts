/**
 * Mermaid's diagrams, as pictures of their source. What comes from the frame that draws them is shown as an image: an
 * image runs nothing and fetches nothing, and one whose bytes are in its address has no origin when somebody opens it in
 * a tab of its own. What leaves the page is cleaned before.
 */

import DOMPurify from 'dompurify'
import { words } from '../../words'
import { copyText } from '../clipboard'
import { offer } from '../offer'
import { button } from './button'
import { fileName } from './filename'
import { type Drawing, Draughtsman } from './frame'
import type { Item } from './menu'

/** Mermaid's file beside the core. Defined by the build; empty in the core that is one file. */
declare const MERMAID: string

const draughtsman = new Draughtsman(MERMAID && URL.canParse(MERMAID, import.meta.url) ? new URL(MERMAID, import.meta.url) : null)

/** A diagram with colours of its own was made for white paper, and is put on some. */
const PAINTED = /\b(?:fill|background)\s*:/

/** What has been drawn, by theme and source. */
const drawings = new Map<string, Promise<Drawing>>()
const KEPT = 50

/** The blocks that may have to be drawn again when the theme changes. They are not kept alive by it. */
const blocks = new Set<WeakRef<HTMLElement>>()

/** Of the blocks that show one. */
const pictures = new WeakMap<Element, string>()

const sight =
  typeof IntersectionObserver === 'undefined'
    ? null
    : new IntersectionObserver(
        (entries) => {
          for (const { target, isIntersecting } of entries) if (isIntersecting) void draw(target as HTMLElement)
        },
        { rootMargin: '400px' },
      )

export function isDiagram({ dataset }: HTMLElement): boolean {
  return dataset['lang'] === 'mermaid'
}

/** Draws it when it comes into sight. */
export function equipDiagram(box: HTMLElement): void {
  followTheme()
  blocks.add(new WeakRef(box))
  if (sight) sight.observe(box)
  else void draw(box)
}

/** The button that changes between picture and source, and the picture that is large or fits. */
export function pressDiagram(pressed: Element, box: HTMLElement): boolean {
  if (pressed.matches('.jdc-zoom')) {
    const isLarge = box.toggleAttribute('data-large')
    pressed.ariaPressed = String(isLarge)
    return true
  }
  if (!pressed.matches('.jdc-source')) return false
  const isShown = box.toggleAttribute('data-source')
  pressed.ariaLabel = (pressed as HTMLElement).title = isShown ? words.showDiagram : words.showSource
  return true
}

export function itemsOfDiagram(box: HTMLElement): Item[] {
  const svg = pictures.get(box)
  if (svg === undefined) return []
  const name = fileName('svg', (box.dataset['title'] ?? '').replace(/(?:\.\w+)?$/, box.dataset['title'] ? '.svg' : ''))
  return [
    { label: words.copyPicture, choose: () => void copyText(clean(svg)) },
    { label: words.downloadPicture, detail: name, choose: () => offer(new Blob([clean(svg)]), name) },
  ]
}

async function draw(box: HTMLElement): Promise<void> {
  sight?.unobserve(box)
  const source = box.querySelector('code')?.textContent ?? ''
  const dark = isDark(box)
  box.dataset['drawn'] = dark ? 'dark' : 'light'
  const drawn = await kept(source, dark && !PAINTED.test(source))
  if (isDark(box) !== dark) return // drawn again meanwhile
  if (typeof drawn === 'object' && 'svg' in drawn) show(box, source, drawn.svg)
  else if (drawn !== 'unreachable') fail(box, drawn === 'slow' ? words.diagramSlow : words.diagramFailed(brief(drawn.error)))
}

function kept(source: string, dark: boolean): Promise<Drawing> {
  const key = `${dark} ${source}`
  let drawn = drawings.get(key)
  if (!drawn) {
    if (drawings.size >= KEPT) drawings.clear()
    drawn = draughtsman.draw(source, dark)
    drawings.set(key, drawn)
    void drawn.then((drawing) => drawing === 'unreachable' && drawings.delete(key))
  }
  return drawn
}

function show(box: HTMLElement, source: string, svg: string): void {
  const image = new Image()
  image.alt = nameOf(source, svg)
  image.onerror = () => {
    box.querySelector('.jdc-picture')?.remove()
    box.removeAttribute('data-diagram')
  }
  image.src = `data:image/svg+xml;charset=utf-8,${encodeURIComponent(svg.replace(/\p{Surrogate}/gu, '\ufffd'))}`
  pictures.set(box, svg)
  const shown = box.querySelector<HTMLElement>('.jdc-picture img')
  if (shown) return shown.replaceWith(image)
  const zoom = document.createElement('button')
  zoom.type = 'button'
  zoom.className = 'jdc-zoom'
  zoom.title = words.zoom
  zoom.ariaPressed = 'false'
  zoom.append(image)
  const picture = document.createElement('div')
  picture.className = 'jdc-picture'
  picture.append(zoom)
  box.querySelector('pre')?.before(picture)
  box.querySelector('.jdc-tools')?.prepend(button('jdc-source', 'code', words.showSource))
  box.setAttribute('data-diagram', '')
  box.toggleAttribute('data-painted', PAINTED.test(source))
}

function fail(box: HTMLElement, why: string): void {
  box.querySelector('.jdc-picture')?.remove()
  box.removeAttribute('data-diagram')
  const note = box.querySelector('.jdc-undrawn') ?? box.appendChild(document.createElement('p'))
  note.className = 'jdc-undrawn'
  note.textContent = why
}

/** What the picture shows, for who does not see it: as its source says it, or what kind of diagram it is. */
function nameOf(source: string, svg: string): string {
  const drawn = new DOMParser().parseFromString(svg, 'image/svg+xml')
  const said = ['title', 'desc'].map((name) => drawn.querySelector(`svg > ${name}`)?.textContent?.trim()).filter(Boolean)
  const [kind = ''] = /^[a-z][\w-]*(?=[\s:]|$)/im.exec(source.replace(/^---\n[^]*?\n---\n|^\s*%%.*$/gm, '')) ?? []
  return [words.diagram(kind), ...said].join('. ')
}

/** The first line of what Mermaid has to say about it. */
function brief(error: string): string {
  return error.split('\n')[0]?.slice(0, 200).replace(/:$/, '') ?? ''
}

const purifier = DOMPurify(window)
purifier.setConfig({ USE_PROFILES: { svg: true, svgFilters: true }, RETURN_DOM_FRAGMENT: true })

/** What names a file to be fetched, in a style or in an attribute that is one; `#…` is in the picture itself. */
const FETCHED = /\w*(?:url|image|image-set|src)\((?!\s*["']?#)[^)]*\)?/gi

/** The picture as a file that runs and fetches nothing wherever it is opened. */
function clean(svg: string): string {
  const fragment = purifier.sanitize(svg) as unknown as DocumentFragment
  for (const style of fragment.querySelectorAll('style')) {
    style.textContent = (style.textContent ?? '').replace(/\\|@import[^;]*;?/gi, '').replace(FETCHED, 'none')
  }
  for (const element of fragment.querySelectorAll('*')) {
    for (const { name, value } of [...element.attributes]) {
      const isLink = /^(?:xlink:)?href$|^src$/i.test(name) && !value.startsWith('#')
      if (isLink || value.replace(/\\|\s/g, '').search(FETCHED) >= 0) element.removeAttribute(name)
    }
  }
  return new XMLSerializer().serializeToString(fragment)
}

function isDark(element: Element): boolean {
  if (matchMedia('(forced-colors: active)').matches) return matchMedia('(prefers-color-scheme: dark)').matches
  const scheme = getComputedStyle(element).colorScheme
  return scheme === 'dark' || (scheme !== 'light' && matchMedia('(prefers-color-scheme: dark)').matches)
}

let follows = false

function followTheme(): void {
  if (follows) return
  follows = true
  new MutationObserver(redraw).observe(document.body, { attributeFilter: ['data-jp-theme-light'] })
  matchMedia('(prefers-color-scheme: dark)').addEventListener('change', redraw)
}

function redraw(): void {
  for (const ref of blocks) {
    const box = ref.deref()
    if (!box) blocks.delete(ref)
    else if (box.dataset['drawn'] && box.dataset['drawn'] !== (isDark(box) ? 'dark' : 'light')) equipAgain(box)
  }
}

function equipAgain(box: HTMLElement): void {
  if (sight) sight.observe(box)
  else void draw(box)
}
