/** What this changes is drawn when it returns, and not a moment later. */

import { options } from 'preact'

export function now(change: () => void): void {
  const { debounceRendering } = options
  options.debounceRendering = (draw) => draw()
  try {
    change()
  } finally {
    if (debounceRendering) options.debounceRendering = debounceRendering
    else delete options.debounceRendering
  }
}
