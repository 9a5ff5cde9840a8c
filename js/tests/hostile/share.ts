/**
 * How much of the attacks a run takes: a few of them with every run, all of them with `PROOF=long`. That takes long, so it
 * can be told in shares: `PART=2/6` is the second of six, and all six are everything.
 */

export const LONG = process.env['PROOF'] === 'long'

/** Milliseconds for one test. */
export const TIME = LONG ? 3_600_000 : 600_000

const [part = 1, of = 1] = (process.env['PART'] ?? '1/1').split('/').map(Number)
if (!(part >= 1 && part <= of)) throw new Error(`PART=${process.env['PART']} is none: PART=2/6 is the second of six.`)

/** This run's share of a list, spread over all of it. */
export function share<T>(all: readonly T[]): readonly T[] {
  return all.filter((_, n) => n % of === part - 1)
}
