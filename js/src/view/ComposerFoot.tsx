/** Below what one writes: what goes with it, what answers may do, who answers, and what sends. */

import { useContext, useLayoutEffect, useRef, useState } from 'preact/hooks'
import type { Mode } from '../events'
import { preferences, usePreference } from '../preferences'
import { words } from '../words'
import { AttachButton } from './Attach'
import type { Attachments } from './attachments'
import { Desk } from './desk'
import { Icon } from './Icon'
import { nameOf, sendKey } from './keys'
import { Choices } from './late'
import type { Choice, Chosen } from './types'

const { sound } = preferences

interface Props {
  attachments: Attachments
  chosen: Chosen & { mode: Mode | null; muted: boolean }
  choose(choice: Choice): void
  /** Somebody is about to write. */
  touched: boolean
}

export function ComposerFoot({ attachments, chosen, choose, touched }: Props) {
  const picker = usePicker({ chosen, choose, touched })
  return (
    <>
      {picker.panel}
      <div class="jdc-composer-foot">
        <AttachButton {...attachments} />
        <ModePicker mode={chosen.mode} choose={choose} />
        {picker.button}
        <TellingPicker muted={chosen.muted} choose={choose} />
        <SendKeyPicker />
      </div>
    </>
  )
}

/** In a line: who answers. Opened: who else could. */
function usePicker({ chosen, choose, touched }: Omit<Props, 'attachments'>) {
  const actions = useContext(Desk)
  const [usual, setUsual] = useState<string | null>(null)
  const [open, setOpen] = useState(false)
  const button = useRef<HTMLButtonElement>(null)
  const { agent, model, effort } = chosen
  useLayoutEffect(() => {
    // Who answers where nobody is chosen?
    if (!touched || usual !== null || model !== null || agent !== null) return
    actions?.agents(false).then(
      (agents) => setUsual(agents.default),
      () => undefined, // it is said when the picker is opened
    )
  }, [touched])
  const close = () => {
    setOpen(false)
    button.current?.focus()
  }
  const label = [model ?? agent ?? usual ?? words.agent, effort].filter(Boolean).join(' · ')
  return {
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
function ModePicker({ mode, choose }: { mode: Mode | null; choose(choice: Choice): void }) {
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

const TELLINGS = ['tells', 'sound', 'muted'] as const

/** Whether one is told of this chat when nobody watches it; with a sound or without, for all chats of this browser. */
function TellingPicker({ muted, choose }: { muted: boolean; choose(choice: Choice): void }) {
  const sounds = usePreference(sound)
  const now = muted ? 'muted' : sounds === 'on' ? 'sound' : 'tells'
  const tell = (telling: (typeof TELLINGS)[number]) => {
    if ((telling === 'muted') !== muted) choose({ muted: telling === 'muted' })
    if (telling === 'muted') return
    sound.choose(telling === 'sound' ? 'on' : 'off')
    // Browsers let a page ask for this only when a person has pressed something.
    if (typeof Notification !== 'undefined' && Notification.permission === 'default') void Notification.requestPermission()
  }
  return (
    <span class="jdc-select jdc-telling" data-telling={now}>
      <Icon name={muted ? 'silent' : 'bell'} />
      <select
        class="jdc-quiet-text"
        aria-label={words.telling}
        title={words.tellings[now]}
        value={now}
        onChange={(event) => tell(event.currentTarget.value as typeof now)}
      >
        {TELLINGS.map((telling) => (
          <option key={telling} value={telling}>
            {words.tellings[telling]}
          </option>
        ))}
      </select>
    </span>
  )
}

/** What sends, for all chats of this browser. */
function SendKeyPicker() {
  const now = usePreference(sendKey)
  return (
    <span class="jdc-select jdc-send-key">
      <Icon name="enter" />
      <select
        class="jdc-quiet-text"
        aria-label={words.sendKey}
        title={words.sendKeyTitle}
        value={now}
        onChange={(event) => sendKey.choose(event.currentTarget.value as typeof now)}
      >
        {(['enter', 'accel'] as const).map((key) => (
          <option key={key} value={key}>
            {words.sends(nameOf(key))}
          </option>
        ))}
      </select>
    </span>
  )
}
