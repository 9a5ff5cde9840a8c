/** Numbers and times, written out as the language of the words has them. */

import { locale, words } from '.'

/** A number as it is, or with exactly so many digits behind the point. */
export function number(value: number, digits?: number, style: Intl.NumberFormatOptions = {}): string {
  const exactly = digits === undefined ? {} : { minimumFractionDigits: digits, maximumFractionDigits: digits }
  return value.toLocaleString(locale, { ...style, ...exactly })
}

export function percent(share: number): string {
  return number(share, 0, { style: 'percent' })
}

/** How long something took, or (`whole`) takes so far. */
export function duration(milliseconds: number, whole = false): string {
  const seconds = whole ? Math.floor(milliseconds / 1000) : Math.round(milliseconds / 1000)
  if (seconds < 10 && !whole) return words.seconds(number(milliseconds / 1000, 1))
  if (seconds < 60) return words.seconds(number(seconds))
  const minutes = Math.floor(seconds / 60)
  if (minutes < 60) return words.minutes(number(minutes), number(seconds % 60))
  return words.hours(number(Math.floor(minutes / 60)), number(minutes % 60))
}

export function bytes(count: number): string {
  if (count < 1000) return `${number(count)} B`
  return count < 1_000_000 ? `${number(count / 1000, count < 10_000 ? 1 : 0)} kB` : `${number(count / 1_000_000, 1)} MB`
}

/** So that something that is not free never looks free. */
export function dollars(cost: number): string {
  const smallest = 0.0001
  const digits = cost === 0 ? 0 : cost < 0.1 ? 4 : 2
  const isLess = cost > 0 && cost < smallest
  const style = { style: 'currency', currency: 'USD', currencyDisplay: 'narrowSymbol' } as const
  return (isLess ? '< ' : '') + number(isLess ? smallest : cost, digits, style)
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
