/** A button that is an icon, and says what it does to whoever does not see it. */

import type { Ref } from 'preact'
import { Icon, type IconName } from './Icon'

interface Props {
  icon: IconName
  label: string
  class?: string
  disabled?: boolean
  /** What it opens is open; absent: it opens nothing. */
  expanded?: boolean
  button?: Ref<HTMLButtonElement>
  onClick(): void
}

export function IconButton({ icon, label, class: name = '', disabled = false, expanded, button, onClick }: Props) {
  return (
    <button
      type="button"
      class={`jdc-quiet ${name}`}
      aria-label={label}
      title={label}
      disabled={disabled}
      {...(expanded === undefined ? {} : { 'aria-expanded': expanded })}
      ref={button ?? null}
      onClick={onClick}
    >
      <Icon name={icon} />
    </button>
  )
}
