/**
 * TeX to MathML. Temml comes with the first formula that a page shows; until it is there, and where it cannot be
 * had, the source is shown, and so it is for a formula that it does not understand.
 */

import type temml from 'temml'
import { sanitizeMath } from './sanitize'

type Temml = typeof temml

let library: Temml | null = null
let loading: Promise<Temml | null> | null = null

/** Formulas as they were set last, by mode and source: the open block is drawn again with every frame. */
const set = new Map<string, DocumentFragment>()
const KEPT = 500

/** Sets every formula below `root` that is not set yet, as far as Temml is there. */
export function typeset(root: ParentNode): void {
  if (!library) return
  for (const formula of root.querySelectorAll<HTMLElement>('.jdc-math:not(.jdc-set)')) setFormula(formula, library)
}

/** The same once Temml has come, for nodes that are on the page; loads it for the first formula. */
export function typesetLater(root: ParentNode): void {
  if (!library && root.querySelector('.jdc-math:not(.jdc-set)')) void load().then(() => typeset(root))
}

export function load(): Promise<Temml | null> {
  loading ??= import('temml').then(
    (module) => (library = module.default),
    () => null, // the page cannot reach the chunk: the source stays
  )
  return loading
}

function setFormula(formula: HTMLElement, { renderToString }: Temml): void {
  const source = formula.dataset['jdcTex'] ?? ''
  const displayMode = formula.dataset['jdcDisplay'] !== undefined
  const key = `${displayMode}${source}`
  let nodes = set.get(key)
  if (!nodes) {
    nodes = mathml(() => renderToString(source, { displayMode, throwOnError: true, maxSize: [20, 200], maxExpand: 200 }))
    if (set.size >= KEPT) set.clear()
    set.set(key, nodes)
  }
  formula.classList.add('jdc-set')
  if (nodes.hasChildNodes()) formula.replaceChildren(nodes.cloneNode(true))
}

function mathml(render: () => string): DocumentFragment {
  try {
    return sanitizeMath(render())
  } catch {
    return document.createDocumentFragment() // Temml does not know this TeX
  }
}
