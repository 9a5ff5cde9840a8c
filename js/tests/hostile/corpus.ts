/**
 * Everything that these tests attack with: our own list, our classes, DOMPurify's own test vectors, and the Big List of
 * Naughty Strings. The last two are read from where npm has put them: nothing of them is kept here. The vectors are those
 * of the last release that came with them; what was found since is among the `nestings`. That release is never run.
 */

import { createRequire } from 'node:module'
import { attacks } from './attacks.ts'
import { classes } from './classes.ts'

const require = createRequire(import.meta.url)

interface Vector {
  payload: string
}

const vectors = (require('dompurify-vectors/test/fixtures/expect.js') as Vector[]).map(({ payload }) => payload)
const naughty = (require('big-list-of-naughty-strings') as string[]).filter((text) => /[<>=:&$\\]|script|attack|alert/i.test(text))

/** By where they come from. */
export const sources: Record<string, readonly string[]> = { attacks, ...classes, vectors, naughty }

/** Each once. Those of others call `alert`, `prompt` and `confirm` where ours call `attack`. */
export const corpus: readonly string[] = [...new Set(Object.values(sources).flat())]
