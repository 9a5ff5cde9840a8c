/** Numbers and times, written out as the language of the words has them. */

import { locale, words } from '.'

/** A number as it is, or with exactly so many digits behind the point. */
export function number(value: number, digits?: number): string {
  return value.toLocaleString(locale, digits === undefined ? {} : { minimumFractionDigits: digits, maximumFractionDigits: digits })
}

export function percent(share: number): string {
  return share.toLocaleString(locale, { style: 'percent' })
}

export function seconds(value: number): string {
  return words.seconds(value < 10 ? number(value, 1) : number(Math.round(value)))
}

export function bytes(count: number): string {
  if (count < 1000) return `${number(count)} B`
  return count < 1_000_000 ? `${number(count / 1000, count < 10_000 ? 1 : 0)} kB` : `${number(count / 1_000_000, 1)} MB`
}

/** So that something that is not free never looks free. */
export function dollars(cost: number): string {
  const written = (cost: number, digits: number) =>
    cost.toLocaleString(locale, {
      style: 'currency',
      currency: 'USD',
      currencyDisplay: 'narrowSymbol',
      minimumFractionDigits: digits,
      maximumFractionDigits: digits,
    })
  if (cost === 0) return written(0, 0)
  return cost < 0.0001 ? `< ${written(0.0001, 4)}` : written(cost, cost < 0.1 ? 4 : 2)
}

/** When that is, for somebody who looks now: the day only if it is another one. */
export function clock(at: string, now = new Date()): string {
  const date = new Date(at)
  if (Number.isNaN(date.getTime())) return at
  const time = date.toLocaleTimeString(locale, { timeStyle: 'short' })
  return date.toDateString() === now.toDateString() ? time : `${date.toLocaleDateString(locale)}, ${time}`
}

export function moment(at: string): string {
  return new Date(at).toLocaleString(locale)
}
