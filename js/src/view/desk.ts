/** What can be asked from inside a message: the actions, or `null` where it can only be read. */

import { createContext } from 'preact'
import type { Actions } from './types'

export const Desk = createContext<Actions | null>(null)
