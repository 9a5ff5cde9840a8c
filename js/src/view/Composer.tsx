/**
 * Where a person writes. Enter sends, Shift+Enter is a new line (or Jupyter's), Esc stops. What is sent while an answer
 * comes, or while others wait, waits for its turn.
 */

import { useEffect, useLayoutEffect, useRef, useState } from 'preact/hooks'
import type { Turn } from '../transcript'
import { grow } from './grow'
import { Icon } from './Icon'

interface Props {
  turn: Turn | null
  placeholder: string
  /** Why what is sent now is not answered at once. */
  wait: string | null
  /** A text that has lost its place: it goes on here. */
  returned: Returned | null
  send(text: string): void
  stop(): void
  /** Lets what is held go on. */
  resume: (() => void) | null
}

export interface Returned {
  text: string
}

export function Composer({ turn, placeholder, wait, returned, send, stop, resume }: Props) {
  const [text, setText] = useState('')
  const [hint, setHint] = useState('')
  const input = useRef<HTMLTextAreaElement>(null)
  useLayoutEffect(() => grow(input.current), [text])
  useEffect(() => {
    if (!returned) return
    setText((text) => (text.trim() ? `${text.trimEnd()}\n\n${returned.text}` : returned.text))
    setHint('The message that you were editing has gone. This is your text.')
    input.current?.focus()
  }, [returned])

  const submit = () => {
    if (!text.trim()) return resume?.()
    send(text)
    setText('')
    setHint('')
  }
  const onKeyDown = (event: KeyboardEvent) => {
    if (event.key !== 'Enter' || event.shiftKey || event.altKey || event.isComposing) return
    event.preventDefault()
    submit()
  }
  const said = hint || (text.trim() ? wait : null)
  return (
    <form
      class="jdc-composer"
      onSubmit={(event) => {
        event.preventDefault()
        submit()
      }}
    >
      <textarea
        ref={input}
        class="jdc-input"
        rows={1}
        value={text}
        placeholder={placeholder}
        aria-label="Message"
        dir="auto"
        onInput={(event) => setText(event.currentTarget.value)}
        onKeyDown={onKeyDown}
      />
      {turn && <StopButton turn={turn} stop={stop} />}
      <button
        type="submit"
        class="jdc-send jdc-round"
        aria-label="Send"
        title={wait ? `Send (Enter): ${wait}` : 'Send (Enter)'}
        disabled={!text.trim()}
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

export function StopButton({ turn, stop }: { turn: Turn; stop(): void }) {
  const label = turn.stopping ? 'Stopping…' : 'Stop'
  return (
    <button
      type="button"
      class="jdc-stop jdc-round"
      aria-label={label}
      title={turn.stopping ? label : 'Stop (Esc)'}
      disabled={turn.stopping}
      onClick={stop}
    >
      <Icon name="stop" />
    </button>
  )
}
