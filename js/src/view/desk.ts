/** What can be asked from inside a message: the actions, or `null` where it can only be read. */

import { createContext } from 'preact'
import type { Actions, Reads } from './types'

export const Desk = createContext<Actions | null>(null)

/** What reading needs, of guests too; `null` where there is only what was saved. */
export const Shelf = createContext<Reads | null>(null)
