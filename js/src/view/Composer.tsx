/**
 * Where a person writes. Enter sends, or Ctrl+Enter where that is preferred; Shift+Enter is a new line; Esc stops; Up, where
 * nothing is written, goes back to what was written last. What is sent while an answer comes, or while others wait, waits
 * for its turn. What is not sent is kept as a draft. `@` names what is in the notebook, `/` agents and prompts. Below: what goes
 * with it, who answers, what answers may do, and what sends.
 */

import { useContext, useEffect, useLayoutEffect, useRef, useState } from 'preact/hooks'
import type { Mode } from '../events'
import { usePreference } from '../preferences'
import type { Part, Turn } from '../transcript'
import { words } from '../words'
import { AttachedFiles, NamedChip } from './Attach'
import { pastedFiles, useAttachments } from './attachments'
import { type Option, useCompletion } from './Completion'
import { ComposerFoot } from './ComposerFoot'
import { Desk } from './desk'
import { grow } from './editing'
import { Icon } from './Icon'
import { isComposing, isSend, nameOf, sendKey } from './keys'
import { memo } from './memo'
import { useNamed } from './named'
import { firstBlank, put, type Token } from './names'
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
  chosen: Chosen & { mode: Mode | null; muted: boolean }
  send(text: string, parts: Part[], choice: Choice): void
  notebook: Notebook | null
  /** What waits is held back, until it is let go on here. */
  held: boolean
  /** Opens what was written last, if it can be edited; whether it can. */
  editLast(): boolean
}

export interface Returned {
  text: string
}

/** It is not drawn again for what comes of an answer. */
export const Composer = memo((props: Props) => {
  const { turn, placeholder, wait, returned, attach, chosen, send, held, editLast, notebook } = props
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

  const named = useNamed(actions, notebook, text)
  const { mentions, agent, reading, problems } = named
  const pick = (option: Option, token: Token) => {
    const field = input.current
    if (!field) return
    if (option.kind === 'prompt') return put(field, token, option.prompt.text, firstBlank(option.prompt.text))
    if (option.kind === 'agent') {
      named.ask(option.name)
      return put(field, token, '')
    }
    const isFolder = option.mention.kind === 'file' && option.name.endsWith('/')
    if (!isFolder) named.add(option.mention)
    put(field, token, `@${option.name}${isFolder ? '' : ' '}`)
  }
  const completion = useCompletion({ input, notebook, pick })

  const [touched, setTouched] = useState(false)
  const sendsWith = nameOf(usePreference(sendKey))
  const { items, busy, stored } = attachments
  const drawn = useRef(false)
  useLayoutEffect(() => {
    // What another tab has kept stays until something is written here.
    const isAnything = text !== '' || stored.length > 0 || agent !== null
    if (drawn.current) actions?.keepDraft(isAnything ? { text, files: stored, named: mentions, agent } : null)
    drawn.current = true
  }, [text, items, agent, mentions.length])
  useEffect(() => setHint(''), [busy])
  const isEmpty = !text.trim() && stored.length === 0
  const submit = () => {
    if (busy) return setHint(words.filesFirst)
    if (reading) return
    if (isEmpty) return held ? actions?.resumeQueue() : undefined
    if (mentions.length === 0) return done([])
    setHint('')
    void named.read(input.current as Element).then((parts) => parts && done(parts))
  }
  const done = (parts: Part[]) => {
    send(text, [...attachments.take(), ...parts], agent === null ? {} : { agent })
    setText('')
    setHint('')
    named.clear()
    actions?.keepDraft(null)
    actions?.writes(false)
  }
  const onKeyDown = (event: KeyboardEvent) => {
    if (completion.onKey(event)) return
    if (event.key === 'Escape' && reading) {
      named.giveUp()
      event.preventDefault()
      event.stopPropagation() // it stops no answer
      return
    }
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
  const [failed] = problems
  const problem = failed && mentions.includes(failed[0]) ? words.namedFailed(failed[0].name, failed[1]) : null
  const said = hint || problem || (isEmpty ? null : wait)
  return (
    <form
      class="jdc-composer"
      onSubmit={(event) => {
        event.preventDefault()
        submit()
      }}
    >
      {(items.length > 0 || mentions.length > 0 || agent !== null) && (
        <AttachedFiles {...attachments}>
          {agent !== null && (
            <NamedChip icon="agent" name={words.asks(agent)} detail="" state="ready" remove={() => named.ask(null)} />
          )}
          {mentions.map((mention) => (
            <NamedChip
              key={`${mention.kind} ${mention.name}`}
              icon={mention.kind}
              name={`@${mention.name}`}
              detail={problems.get(mention) ?? (reading ? words.reading : mention.detail)}
              state={problems.has(mention) ? 'failed' : reading ? 'uploading' : 'ready'}
              remove={() => named.remove(mention)}
            />
          ))}
        </AttachedFiles>
      )}
      <textarea
        ref={input}
        class="jdc-input"
        rows={1}
        value={text}
        placeholder={held ? words.followUpResumes(sendsWith) : placeholder}
        aria-label={words.message}
        dir="auto"
        readOnly={reading}
        {...completion.attributes}
        onInput={(event) => {
          setText(event.currentTarget.value)
          actions?.writes(event.currentTarget.value.trim() !== '')
          completion.look()
        }}
        onKeyDown={onKeyDown}
        onKeyUp={({ key }) => /^(?:Arrow(?:Left|Right)|Home|End)$/.test(key) && completion.look()}
        onClick={completion.look}
        onBlur={completion.leave}
        onPaste={onPaste}
        onFocus={() => setTouched(true)}
      />
      {completion.list}
      <ComposerFoot attachments={attachments} chosen={chosen} choose={(choice) => actions?.choose(choice)} touched={touched} />
      {turn && <StopButton turn={turn} stop={() => actions?.stop()} />}
      <button
        type="submit"
        class="jdc-send jdc-round"
        aria-label={words.send}
        title={words.key(words.send, sendsWith) + (wait ? `: ${wait}` : '')}
        disabled={isEmpty || busy || reading}
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
})

function hasModifier({ shiftKey, altKey, ctrlKey, metaKey }: KeyboardEvent): boolean {
  return shiftKey || altKey || ctrlKey || metaKey
}
