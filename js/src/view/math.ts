/**
 * TeX to MathML. Temml comes with the first formula that a page shows; until it is there, the source is shown, and so it
 * is for a formula that Temml does not understand.
 */

import { Lazy } from '../lazy'
import { sanitizeMath } from './sanitize'

export const temml = new Lazy(() => import('temml').then((module) => module.default))

/** No formula is larger than this (em, pt), and no macro grows without end. */
const LIMITS = { maxSize: [20, 200] as [number, number], maxExpand: 200 }

/** Formulas as they were set, by mode and source: the open block is drawn again with every frame. */
const formulas = new Map<string, DocumentFragment>()
const KEPT = 500

/** Sets every formula below `root` that is not set yet, as far as Temml is there. */
export function typeset(root: ParentNode): void {
  if (!temml.module) return
  for (const formula of root.querySelectorAll<HTMLElement>('.jdc-math:not(.jdc-set)')) {
    const nodes = mathml(formula.dataset['jdcTex'] ?? '', formula.dataset['jdcDisplay'] !== undefined)
    formula.classList.add('jdc-set')
    if (nodes.hasChildNodes()) formula.replaceChildren(nodes)
  }
}

/** The same once Temml has come, for nodes that are on the page; loads it for the first formula. */
export function typesetLater(root: ParentNode): void {
  if (!temml.module && root.querySelector('.jdc-math:not(.jdc-set)')) void temml.load().then(() => typeset(root))
}

function mathml(source: string, displayMode: boolean): Node {
  const key = `${displayMode}${source}`
  let nodes = formulas.get(key)
  if (!nodes) {
    nodes = render(source, displayMode)
    if (formulas.size >= KEPT) formulas.clear()
    formulas.set(key, nodes)
  }
  return nodes.cloneNode(true)
}

function render(source: string, displayMode: boolean): DocumentFragment {
  try {
    const mathml = temml.module?.renderToString(source, { displayMode, throwOnError: true, ...LIMITS }) ?? ''
    return sanitizeMath(mathml)
  } catch {
    return document.createDocumentFragment() // not TeX that Temml knows
  }
}
