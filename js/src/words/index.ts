/**
 * Every text that the view says of its own, in one table for each language. (What is saved in a notebook is for everyone
 * who opens it, and stays English; what the server says is the server's.)
 *
 * The language is chosen once, before anything is drawn: `words` does not change under a view.
 */

import { en } from './en'

export type Words = { [Name in keyof typeof en]: (typeof en)[Name] extends string ? string : (typeof en)[Name] }

export let words: Words = en

const TRANSLATIONS: Record<string, () => Promise<Words>> = {}

/** Speaks this language (a BCP 47 tag, or with an underscore as Jupyter writes it), or English where there is no translation. */
export async function speak(language: string): Promise<void> {
  const [tongue = ''] = language.toLowerCase().split(/[-_]/)
  words = (await TRANSLATIONS[tongue]?.().catch(() => null)) ?? en
}
