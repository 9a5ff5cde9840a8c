/**
 * Where a person writes. Enter sends, Shift+Enter is a new line (or Jupyter's), Esc stops. While an answer comes, one can
 * write but not send: a session has one turn at a time.
 */

import { useLayoutEffect, useRef, useState } from 'preact/hooks'
import type { Turn } from '../transcript'
import { Icon } from './Icon'

interface Props {
  turn: Turn | null
  placeholder: string
  send(text: string): void
  stop(): void
}

export function Composer({ turn, placeholder, send, stop }: Props) {
  const [text, setText] = useState('')
  const [hinted, setHinted] = useState('')
  const input = useRef<HTMLTextAreaElement>(null)
  useLayoutEffect(() => grow(input.current), [text])

  const submit = () => {
    if (!text.trim()) return
    if (turn) {
      setHinted(turn.id)
    } else {
      send(text)
      setText('')
    }
  }
  const onKeyDown = (event: KeyboardEvent) => {
    if (event.key !== 'Enter' || event.shiftKey || event.altKey || event.isComposing) return
    event.preventDefault()
    submit()
  }
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
      {turn ? (
        <StopButton turn={turn} stop={stop} />
      ) : (
        <button type="submit" class="jdc-send jdc-round" aria-label="Send" title="Send (Enter)" disabled={!text.trim()}>
          <Icon name="send" />
        </button>
      )}
      {turn?.id === hinted && (
        <div class="jdc-hint" role="status">
          One answer at a time: wait for this one, or stop it (Esc).
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

/** As high as its text, where the browser does not do that by itself. */
function grow(input: HTMLTextAreaElement | null): void {
  if (!input || CSS.supports('field-sizing', 'content')) return
  input.style.height = 'auto'
  input.style.height = `${input.scrollHeight}px`
}
