/** Ends the running turn. */

import type { Turn } from '../transcript'
import { words } from '../words'
import { Icon } from './Icon'

export function StopButton({ turn, stop }: { turn: Turn; stop(): void }) {
  const label = turn.stopping ? words.stopping : words.stop
  return (
    <button
      type="button"
      class="jdc-stop jdc-round"
      aria-label={label}
      title={turn.stopping ? label : words.key(label, words.keys.escape)}
      disabled={turn.stopping}
      onClick={stop}
    >
      <Icon name="stop" />
    </button>
  )
}
