/**
 * TeX to MathML. Temml comes with the first formula that a page shows; until it is there, the source is shown, and so it
 * is for a formula that Temml does not understand.
 */

import { Lazy } from '../lazy'

export const temml = new Lazy(() => import('./formulas'))

/** Sets every formula below `root` that is not set yet, as far as Temml is there. */
export function typeset(root: ParentNode): void {
  const { module } = temml
  if (!module) return
  for (const formula of root.querySelectorAll<HTMLElement>('.jdc-math:not(.jdc-set)')) {
    const nodes = module.mathml(formula.dataset['jdcTex'] ?? '', formula.dataset['jdcDisplay'] !== undefined)
    formula.classList.add('jdc-set')
    if (nodes.hasChildNodes()) formula.replaceChildren(nodes)
  }
}

/** The same once Temml has come, for nodes that are on the page; loads it for the first formula. */
export function typesetLater(root: ParentNode): void {
  if (!temml.module && root.querySelector('.jdc-math:not(.jdc-set)')) void temml.load().then(() => typeset(root))
}
