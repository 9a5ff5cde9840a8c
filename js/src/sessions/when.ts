/** When a session was last used, for somebody who looks down a list. */

import { locale, words } from '../words'

const MINUTE = 60_000
const HOUR = 60 * MINUTE
const DAY = 24 * HOUR

export type Group = keyof typeof words.sessionGroups

/** The days that are told apart, by the person's own midnight. */
export function groupOf(at: string, now: number): Group {
  const midnight = new Date(now).setHours(0, 0, 0, 0)
  const then = Date.parse(at)
  if (then >= midnight) return 'today'
  if (then >= midnight - DAY) return 'yesterday'
  return then >= midnight - 7 * DAY ? 'week' : 'older'
}

/** Short, as it stands beside a title. What the server's clock has ahead of the page's is now. */
export function ago(at: string, now: number): string {
  const then = Date.parse(at)
  const past = now - then
  if (Number.isNaN(past)) return ''
  if (past < MINUTE) return words.justNow
  if (past < HOUR) return back(past, MINUTE, 'minute')
  if (past < DAY) return back(past, HOUR, 'hour')
  const isThisYear = new Date(then).getFullYear() === new Date(now).getFullYear()
  return new Date(then).toLocaleDateString(locale, { day: 'numeric', month: 'short', ...(isThisYear ? {} : { year: 'numeric' }) })
}

function back(past: number, unit: number, name: 'minute' | 'hour'): string {
  return new Intl.NumberFormat(locale, { style: 'unit', unit: name, unitDisplay: 'short' }).format(Math.floor(past / unit))
}
