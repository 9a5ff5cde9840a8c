/**
 * Temml, and the gate for what it makes: MathML of a list of elements, which size, space and colour a formula and do
 * nothing else. A chunk of its own: it comes with the first formula.
 *
 * Temml writes styles into its markup. They are put on the elements one by one, never parsed as an attribute: a page that
 * allows no written-in styles (`style-src-attr 'none'`) has them, too.
 */

import DOMPurify from 'dompurify'
import temml from 'temml'

/** No formula is larger than this (em, pt), and no macro grows without end. */
const LIMITS = { maxSize: [20, 200] as [number, number], maxExpand: 200 }

const TAGS =
  'math menclose merror mfrac mi mmultiscripts mn mo mover mpadded mphantom mprescripts mroot mrow ms mspace msqrt ' +
  'mstyle msub msubsup msup mtable mtd mtext mtr munder munderover none'

const ATTRIBUTES = (
  'accent accentunder class columnalign columnlines columnspacing columnspan depth display displaystyle fence form ' +
  'height largeop linethickness lspace mathbackground mathcolor mathsize mathvariant maxsize minsize movablelimits ' +
  'notation rowlines rowspacing rowspan rspace scriptlevel separator stretchy symmetric voffset width'
).split(' ')

const STYLE = 'data-jdc-style'

const math = DOMPurify(window)
math.setConfig({
  NAMESPACE: 'http://www.w3.org/1999/xhtml',
  ALLOWED_TAGS: TAGS.split(' '),
  ALLOWED_ATTR: [...ATTRIBUTES, STYLE],
  ADD_URI_SAFE_ATTR: [...ATTRIBUTES, STYLE],
  ALLOW_ARIA_ATTR: false,
  ALLOW_DATA_ATTR: false,
  RETURN_DOM_FRAGMENT: true,
})
math.addHook('afterSanitizeAttributes', (element) => {
  const style = element.getAttribute(STYLE)
  element.removeAttribute(STYLE)
  for (const [name, value] of harmless(style ?? '')) (element as Partial<MathMLElement>).style?.setProperty(name, value)
  const names = element.getAttribute('class')
  if (names !== null) element.setAttribute('class', names.replace(/(?<!\S)(?!tml-)\S+/g, '').trim())
})

/** Formulas as they were set, by mode and source: the open block is drawn again with every frame. */
const formulas = new Map<string, DocumentFragment>()
const KEPT = 500

/** TeX as MathML; nothing where it is not TeX that Temml knows. */
export function mathml(source: string, displayMode: boolean): Node {
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
    const markup = temml.renderToString(source, { displayMode, throwOnError: true, ...LIMITS })
    return math.sanitize(markup.replaceAll(' style="', ` ${STYLE}="`)) as unknown as DocumentFragment
  } catch {
    return document.createDocumentFragment() // not TeX that Temml knows
  }
}

const PROPERTIES =
  /^(?:border(?:-[a-z]+)*|color|background-color|display|font-(?:weight|family|size)|height|margin(?:-[a-z]+)?|math-[a-z]+|padding(?:-[a-z]+)?|text-align|vertical-align|width)$/

/** Only declarations that size, space and colour a formula: none that moves it over something else or has an address. */
function harmless(style: string): [string, string][] {
  return style
    .split(';')
    .map((declaration) => declaration.split(':').map((side) => side.trim().toLowerCase()))
    .filter(([name = '', value = '', ...rest]) => !rest.length && PROPERTIES.test(name) && /^[-\w\s.,%#]*$/.test(value))
    .map(([name = '', value = '']) => [name, value])
}
