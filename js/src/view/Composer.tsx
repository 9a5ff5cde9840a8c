/**
 * Where a person writes. Enter sends, or Ctrl+Enter where that is preferred; Shift+Enter is a new line; Esc stops; Up, where
 * nothing is written, goes back to what was written last. What is sent while an answer comes, or while others wait, waits
 * for its turn. Below: what goes with it, who answers, what answers may do, and what sends.
 */

import { useEffect, useLayoutEffect, useRef, useState } from 'preact/hooks'
import type { Mode } from '../events'
import { usePreference } from '../preferences'
import type { FilePart, Turn } from '../transcript'
import { words } from '../words'
import { AttachButton, AttachedFiles, type Attachments, pastedFiles } from './Attach'
import { grow } from './grow'
import { Icon } from './Icon'
import { isComposing, isSend, nameOf, sendKey } from './keys'
import { type Chosen, ModePicker, usePicker } from './Picker'
import type { Choice } from './types'

interface Props {
  turn: Turn | null
  placeholder: string
  /** Why what is sent now is not answered at once. */
  wait: string | null
  /** A text that has lost its place: it goes on here. */
  returned: Returned | null
  attachments: Attachments
  chosen: Chosen & { mode: Mode | null }
  choose(choice: Choice): void
  send(text: string, parts: FilePart[]): void
  stop(): void
  /** Lets what is held go on. */
  resume: (() => void) | null
  /** Opens what was written last, if it can be edited; whether it can. */
  editLast(): boolean
}

export interface Returned {
  text: string
}

export function Composer(props: Props) {
  const { turn, placeholder, wait, returned, attachments, chosen, choose, send, stop, resume, editLast } = props
  const [text, setText] = useState('')
  const [hint, setHint] = useState('')
  const input = useRef<HTMLTextAreaElement>(null)
  useLayoutEffect(() => grow(input.current), [text])
  useEffect(() => {
    if (!returned) return
    setText((text) => (text.trim() ? `${text.trimEnd()}\n\n${returned.text}` : returned.text))
    setHint(words.editLost)
    input.current?.focus()
  }, [returned])

  const picker = usePicker({ chosen, choose })
  const sendsWith = nameOf(usePreference(sendKey))
  const { items, busy } = attachments
  useEffect(() => setHint(''), [busy])
  const isEmpty = !text.trim() && !items.some(({ part }) => part)
  const submit = () => {
    if (busy) return setHint(words.filesFirst)
    if (isEmpty) return resume?.()
    send(text, attachments.take())
    setText('')
    setHint('')
  }
  const onKeyDown = (event: KeyboardEvent) => {
    const goesBack = event.key === 'ArrowUp' && text === '' && !isComposing(event) && !hasModifier(event)
    if (isSend(event)) submit()
    else if (!goesBack || !editLast()) return
    event.preventDefault()
  }
  const onPaste = (event: ClipboardEvent) => {
    const files = pastedFiles(event.clipboardData)
    if (files.length === 0) return
    event.preventDefault()
    attachments.add(files)
  }
  const said = hint || (isEmpty ? null : wait)
  return (
    <form
      class="jdc-composer"
      onSubmit={(event) => {
        event.preventDefault()
        submit()
      }}
    >
      <AttachedFiles {...attachments} />
      <textarea
        ref={input}
        class="jdc-input"
        rows={1}
        value={text}
        placeholder={resume ? words.followUpResumes(sendsWith) : placeholder}
        aria-label={words.message}
        dir="auto"
        onInput={(event) => setText(event.currentTarget.value)}
        onKeyDown={onKeyDown}
        onPaste={onPaste}
        onFocus={picker.look}
      />
      {picker.panel}
      <div class="jdc-composer-foot">
        <AttachButton {...attachments} />
        <ModePicker mode={chosen.mode} choose={choose} />
        {picker.button}
        <SendKeyPicker />
      </div>
      {turn && <StopButton turn={turn} stop={stop} />}
      <button
        type="submit"
        class="jdc-send jdc-round"
        aria-label={words.send}
        title={words.key(words.send, sendsWith) + (wait ? `: ${wait}` : '')}
        disabled={isEmpty || busy}
      >
        <Icon name="send" />
      </button>
      {said && (
        <div class="jdc-hint" role="status">
          {said}
        </div>
      )}
    </form>
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

function hasModifier({ shiftKey, altKey, ctrlKey, metaKey }: KeyboardEvent): boolean {
  return shiftKey || altKey || ctrlKey || metaKey
}

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
