/**
 * Where a person writes. Enter sends, or Ctrl+Enter where that is preferred; Shift+Enter is a new line; Esc stops; Up, where
 * nothing is written, goes back to what was written last. What is sent while an answer comes, or while others wait, waits
 * for its turn. What is not sent is kept as a draft. Below: what goes with it, who answers, what answers may do, and what sends.
 */

import { useContext, useEffect, useLayoutEffect, useRef, useState } from 'preact/hooks'
import type { Mode } from '../events'
import { usePreference } from '../preferences'
import type { FilePart, Turn } from '../transcript'
import { words } from '../words'
import { AttachedFiles } from './Attach'
import { pastedFiles, useAttachments } from './attachments'
import { ComposerFoot } from './ComposerFoot'
import { Desk } from './desk'
import { grow } from './editing'
import { Icon } from './Icon'
import { isComposing, isSend, nameOf, sendKey } from './keys'
import { StopButton } from './StopButton'
import type { Choice, Chosen } from './types'

interface Props {
  turn: Turn | null
  placeholder: string
  /** Why what is sent now is not answered at once. */
  wait: string | null
  /** A text that has lost its place: it goes on here. */
  returned: Returned | null
  /** Becomes what attaches files. */
  attach: { current: (files: Iterable<File>) => void }
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
  const { turn, placeholder, wait, returned, attach, chosen, choose, send, stop, resume, editLast } = props
  const actions = useContext(Desk)
  const [text, setText] = useState(() => actions?.draft()?.text ?? '')
  const attachments = useAttachments(actions)
  attach.current = attachments.add
  const [hint, setHint] = useState('')
  const input = useRef<HTMLTextAreaElement>(null)
  useLayoutEffect(() => grow(input.current), [text])
  useEffect(() => {
    if (!returned) return
    setText((text) => (text.trim() ? `${text.trimEnd()}\n\n${returned.text}` : returned.text))
    setHint(words.editLost)
    input.current?.focus()
  }, [returned])

  const [touched, setTouched] = useState(false)
  const sendsWith = nameOf(usePreference(sendKey))
  const { items, busy, stored } = attachments
  const drawn = useRef(false)
  useLayoutEffect(() => {
    // What another tab has kept stays until something is written here.
    if (drawn.current) actions?.keepDraft(text || stored.length > 0 ? { text, files: stored } : null)
    drawn.current = true
  }, [text, items])
  useEffect(() => setHint(''), [busy])
  const isEmpty = !text.trim() && stored.length === 0
  const submit = () => {
    if (busy) return setHint(words.filesFirst)
    if (isEmpty) return resume?.()
    send(text, attachments.take())
    setText('')
    setHint('')
    actions?.keepDraft(null)
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
      {items.length > 0 && <AttachedFiles {...attachments} />}
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
        onFocus={() => setTouched(true)}
      />
      <ComposerFoot attachments={attachments} chosen={chosen} choose={choose} touched={touched} />
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

function hasModifier({ shiftKey, altKey, ctrlKey, metaKey }: KeyboardEvent): boolean {
  return shiftKey || altKey || ctrlKey || metaKey
}
