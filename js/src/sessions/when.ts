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
  const { minutes, hours, day, dayOfYear } = formats()
  if (past < HOUR) return minutes.format(Math.floor(past / MINUTE))
  if (past < DAY) return hours.format(Math.floor(past / HOUR))
  const isThisYear = new Date(then).getFullYear() === new Date(now).getFullYear()
  return (isThisYear ? day : dayOfYear).format(then)
}

/** In full. */
export function moment(at: string): string {
  const then = Date.parse(at)
  return Number.isNaN(then) ? '' : formats().moment.format(then)
}

let made: ReturnType<typeof makeFormats> | null = null

/** Making one takes far longer than using it, and there may be a thousand rows. */
function formats() {
  if (made?.locale !== locale) made = makeFormats()
  return made
}

function makeFormats() {
  const unit = (unit: 'minute' | 'hour') => new Intl.NumberFormat(locale, { style: 'unit', unit, unitDisplay: 'short' })
  const date = (more: Intl.DateTimeFormatOptions) => new Intl.DateTimeFormat(locale, { day: 'numeric', month: 'short', ...more })
  return {
    locale,
    minutes: unit('minute'),
    hours: unit('hour'),
    day: date({}),
    dayOfYear: date({ year: 'numeric' }),
    moment: new Intl.DateTimeFormat(locale, { dateStyle: 'medium', timeStyle: 'short' }),
  }
}
