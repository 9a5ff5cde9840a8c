/** Colours for code that is complete; until the languages have come, code is plain. */

import { Lazy } from '../lazy'
import { mark } from './unseen'

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
  const coloured = languages.module.coloured(text, language)
  if (!coloured) return
  code.replaceChildren(coloured)
  mark(code)
}
