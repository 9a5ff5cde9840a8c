/**
 * Where a person writes. Enter sends, or Ctrl+Enter where that is preferred; Shift+Enter is a new line; Esc stops; Up, where
 * nothing is written, goes back to what was written last. What is sent while an answer comes, or while others wait, waits
 * for its turn. What is not sent is kept as a draft. `@` and `/` name what goes with it (`Naming.tsx`). Below: what goes with it, who answers, what answers may do, and what sends.
 */

import { useContext, useEffect, useLayoutEffect, useRef, useState } from 'preact/hooks'
import type { Mode } from '../events'
import { usePreference } from '../preferences'
import type { Part, Turn } from '../transcript'
import { words } from '../words'
import { AttachedFiles } from './Attach'
import { pastedFiles, useAttachments } from './attachments'
import { ComposerFoot } from './ComposerFoot'
import { Desk } from './desk'
import { grow } from './editing'
import { Icon } from './Icon'
import { isComposing, isSend, nameOf, sendKey } from './keys'
import { useNaming } from './Naming'
import { StopButton } from './StopButton'
import type { Choice, Chosen, Notebook } from './types'

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
  notebook: Notebook | null
  send(text: string, parts: Part[], choice: Choice): void
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
  const { turn, placeholder, wait, returned, attach, chosen, choose, notebook, send, stop, resume, editLast } = props
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
  const selected = useRef<[number, number] | null>(null)
  const naming = useNaming({
    input,
    notebook,
    write(text, ...selection) {
      setText(text)
      selected.current = selection
    },
  })
  useLayoutEffect(() => {
    if (!selected.current) return
    input.current?.setSelectionRange(...selected.current)
    selected.current = null
    naming.look()
  }, [text])
  /** What is named is being asked for. */
  const [asking, setAsking] = useState<AbortController | null>(null)
  useEffect(() => () => asking?.abort(), [asking])
  const submit = async () => {
    if (busy || asking) return setHint(words.filesFirst)
    if (isEmpty) return resume?.()
    const ending = new AbortController()
    let parts: Part[] = []
    if (naming.chips) {
      setAsking(ending)
      setHint(words.asksNamed)
      try {
        parts = await naming.resolve(text, ending.signal)
      } catch (error) {
        return setHint((error as Error).message)
      } finally {
        setAsking(null)
      }
      if (ending.signal.aborted) return
    }
    send(text, [...attachments.take(), ...parts], naming.agent === null ? {} : { agent: naming.agent })
    setText('')
    setHint('')
    naming.clear()
    actions?.keepDraft(null)
  }
  const onKeyDown = (event: KeyboardEvent) => {
    const goesBack = event.key === 'ArrowUp' && text === '' && !isComposing(event) && !hasModifier(event)
    if (naming.onKeyDown(event)) return
    if (isSend(event)) void submit()
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
        void submit()
      }}
    >
      {items.length > 0 && <AttachedFiles {...attachments} />}
      {naming.chips}
      {naming.list}
      <textarea
        ref={input}
        class="jdc-input"
        rows={1}
        value={text}
        placeholder={resume ? words.followUpResumes(sendsWith) : placeholder}
        aria-label={words.message}
        dir="auto"
        readOnly={asking !== null}
        {...naming.aria}
        onInput={(event) => {
          setText(event.currentTarget.value)
          naming.look()
        }}
        onKeyUp={naming.look}
        onClick={naming.look}
        onBlur={naming.close}
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
