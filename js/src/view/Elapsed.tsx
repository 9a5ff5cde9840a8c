/** The time that passes. Once a second it draws itself again, and nothing around it. */

import { createContext } from 'preact'
import { useContext, useEffect, useState } from 'preact/hooks'
import { duration } from '../words/numbers'
import { memo } from './memo'

/** The server's, of which the start is. */
export const Now = createContext<() => number>(Date.now)

interface Props {
  /** In milliseconds. */
  from: number
  /** When it stood still; `null`: it goes on. */
  until?: number | null
}

export const Elapsed = memo(({ from, until = null }: Props) => {
  const now = useContext(Now)
  const [, tick] = useState(0)
  const passed = Math.max(0, (until ?? now()) - from)
  useEffect(() => {
    if (until !== null) return
    const timer = setTimeout(() => tick((count) => count + 1), 1000 - (passed % 1000))
    return () => clearTimeout(timer)
  })
  // Screen readers do not read a timer aloud by themselves.
  return passed < 1000 ? null : <span role="timer">{duration(passed, true)}</span>
})
