/** Something that is folded away; what is inside is not drawn until it is opened. */

import type { VNode } from 'preact'
import { useState } from 'preact/hooks'
import { Icon } from './Icon'

interface Props {
  class: string
  summary: VNode
  /** Whether it is open as long as the person has not said otherwise. */
  open?: boolean
  children: () => VNode
}

export function Fold({ class: name, summary, open = false, children }: Props) {
  const [chosen, setChosen] = useState<boolean | null>(null)
  const shown = chosen ?? open
  return (
    <details
      class={name}
      open={shown}
      onToggle={(event) => event.target === event.currentTarget && event.currentTarget.open !== shown && setChosen(!shown)}
    >
      <summary>
        <Icon name="chevron" />
        {summary}
      </summary>
      {shown && <div class="jdc-folded">{children()}</div>}
    </details>
  )
}
