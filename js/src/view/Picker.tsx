/** Who answers, and how. */

import { useContext, useRef, useState } from 'preact/hooks'
import type { Mode } from '../events'
import { words } from '../words'
import { Desk } from './desk'
import { Icon } from './Icon'
import { Choices } from './late'
import type { Choice } from './types'

export interface Chosen {
  agent: string | null
  model: string | null
  effort: string | null
}

interface PickerProps {
  chosen: Chosen
  choose(choice: Choice): void
}

/** In a line: who answers. Opened: who else could. */
export function usePicker({ chosen, choose }: PickerProps) {
  const actions = useContext(Desk)
  const [usual, setUsual] = useState<string | null>(null)
  const [open, setOpen] = useState(false)
  const button = useRef<HTMLButtonElement>(null)
  const { agent, model, effort } = chosen
  const close = () => {
    setOpen(false)
    button.current?.focus()
  }
  const label = [model ?? agent ?? usual ?? words.agent, effort].filter(Boolean).join(' · ')
  return {
    /** Somebody is about to write: who answers where nobody is chosen? */
    look() {
      if (usual !== null || model !== null || agent !== null) return
      actions?.agents(false).then(
        (agents) => setUsual(agents.default),
        () => undefined, // it is said when the picker is opened
      )
    },
    button: (
      <button
        ref={button}
        type="button"
        class="jdc-pick jdc-quiet-text"
        aria-expanded={open}
        aria-label={words.whoAnswersNow(label)}
        title={words.whoAnswers}
        onClick={() => setOpen(!open)}
      >
        <span>{label}</span>
        <Icon name="lower" />
      </button>
    ),
    panel: open && (
      <Choices
        label={words.whoAnswers}
        chosen={chosen}
        pick={(choice) => {
          choose(choice)
          close()
        }}
        close={close}
      />
    ),
  }
}

const MODES: Mode[] = ['ask', 'plan', 'act']

/** What answers may do from the next message on. */
export function ModePicker({ mode, choose }: { mode: Mode | null; choose(choice: Choice): void }) {
  const now = mode ?? 'act'
  return (
    <span class="jdc-select">
      <select
        class="jdc-mode jdc-quiet-text"
        aria-label={words.mode}
        title={MODES.map((mode) => `${words.modes[mode]}: ${words.modeDoes[mode]}`).join('\n')}
        value={now}
        onChange={(event) => choose({ mode: event.currentTarget.value as Mode })}
      >
        {MODES.map((mode) => (
          <option key={mode} value={mode}>
            {words.modes[mode]}
          </option>
        ))}
      </select>
      <Icon name="lower" />
    </span>
  )
}
