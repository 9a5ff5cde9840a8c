/** Why something cannot be done in the notebook. The view has the words for it, in the person's language. */

import type { Refusal } from '../view/types'

export function refusal(why: Refusal): Error {
  return new Error(why)
}
