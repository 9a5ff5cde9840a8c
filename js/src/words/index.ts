/**
 * Every text that the view says of its own, in one table for each language. (What is saved in a notebook is for everyone
 * who opens it, and stays English; what the server says is the server's.)
 *
 * The language is chosen once, before anything is drawn: `words` does not change under a view. So nothing may take a text
 * out of the table while its module is loaded: a constant that holds one would be English for ever.
 */

import { en } from './en'
import type { late } from './late'

export type Words = typeof en & typeof late

/** The whole table, for whoever comes with a chunk; for the core, its part of it. */
export let words = en as Words

/** Whose numbers and dates go with the words: a BCP 47 tag. */
export let locale = localeOf('en')

const TRANSLATIONS = new Map<string, () => Promise<Words>>([['de', () => import('./de').then(({ de }) => de)]])

/** Speaks this language (a BCP 47 tag, or with an underscore as Jupyter writes it), or English where there is no translation. */
export async function speak(language: string): Promise<void> {
  const [tongue = ''] = language.toLowerCase().split(/[-_]/)
  const translation = await TRANSLATIONS.get(tongue)?.().catch(() => null)
  words = translation ?? (en as Words)
  locale = localeOf(translation ? tongue : 'en')
}

/** A chunk, together with what it says. A translation says all of it from the beginning. */
export async function withWords<M>(chunk: Promise<M>): Promise<M> {
  if (words !== en) return chunk
  const [module, { late }] = await Promise.all([chunk, import('./late')])
  Object.assign(en, late)
  return module
}

/** The language as the person's browser has it: a British one writes its English dates as the British do. */
function localeOf(tongue: string): string {
  return navigator.languages.find((tag) => tag === tongue || tag.startsWith(`${tongue}-`)) ?? tongue
}
