/**
 * Colours for code that is complete. They are built from nodes, never from markup; until the languages have come, code
 * is plain.
 */

import { Lazy } from '../lazy'

export const languages = new Lazy(() => import('./languages'))

/** Longer code stays plain: colours are not worth a pause. */
const LONGEST = 50_000

/** Colours a code element: now, or when the languages have come. */
export function highlight(code: HTMLElement): void {
  const language = code.dataset['jdcLang'] ?? ''
  const text = code.textContent ?? ''
  if (!language || text.length > LONGEST) return
  if (!languages.module) {
    void languages.load().then((loaded) => loaded && highlight(code))
    return
  }
  const markup = languages.module.markup(text, language)
  if (markup !== null) code.replaceChildren(nodes(markup))
}

/** highlight.js writes `<span class="…">`, `</span>` and text with five entities, and nothing else. */
function nodes(markup: string): DocumentFragment {
  const root = document.createDocumentFragment()
  let at: Node = root
  for (const [, opening, closing, text = ''] of markup.matchAll(/<span class="([^"]*)">|(<\/span>)|([^<]+)/g)) {
    if (opening !== undefined) {
      const span = document.createElement('span')
      span.className = opening.replace(/(?<!\S)(?!jdc-)\S+/g, '').trim() // it has names without our prefix, too
      at = at.appendChild(span)
    } else if (closing) {
      at = at.parentNode ?? root
    } else {
      at.appendChild(document.createTextNode(unescape(text)))
    }
  }
  return root
}

const ENTITIES: Record<string, string> = { '&amp;': '&', '&lt;': '<', '&gt;': '>', '&quot;': '"', '&#x27;': "'" }

function unescape(text: string): string {
  return text.replace(/&(?:amp|lt|gt|quot|#x27);/g, (entity) => ENTITIES[entity] ?? entity)
}
