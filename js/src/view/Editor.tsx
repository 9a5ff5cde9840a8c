/**
 * A message's text, to be changed in its place: what sends elsewhere saves it, Esc takes everything back, and so does Down from
 * an end that was not changed. What is written here is not lost: when the message goes away under it, whoever shows the editor
 * gets the text.
 */

import { useLayoutEffect, useRef, useState } from 'preact/hooks'
import { usePreference } from '../preferences'
import { words } from '../words'
import { grow } from './editing'
import { isComposing, isSend, nameOf, sendKey } from './keys'

interface Props {
  text: string
  label: string
  /** What saving is called. */
  action: string
  /** Why it cannot be saved now. */
  wait: string | null
  save(text: string): void
  close(): void
  left(text: string): void
}

export function Editor({ text, label, action, wait, save, close, left }: Props) {
  const [draft, setDraft] = useState(text)
  const input = useRef<HTMLTextAreaElement>(null)
  const original = useRef(text)
  const unsaved = useRef<string | null>(null)
  unsaved.current = draft === original.current ? null : draft
  useLayoutEffect(() => grow(input.current), [draft])
  useLayoutEffect(() => {
    input.current?.focus()
    input.current?.setSelectionRange(text.length, text.length)
    return () => {
      if (unsaved.current !== null) left(unsaved.current)
    }
  }, [])

  const end = () => {
    unsaved.current = null
    close()
  }
  const submit = () => {
    if (wait !== null || !draft.trim()) return
    if (draft !== text) save(draft)
    end()
  }
  const onKeyDown = (event: KeyboardEvent) => {
    const { key, currentTarget: field } = event
    const isAtEnd = field instanceof HTMLTextAreaElement && field.selectionStart === draft.length
    const leaves = key === 'Escape' || (key === 'ArrowDown' && !event.shiftKey && isAtEnd && draft === text)
    if (isComposing(event) || !(leaves || isSend(event))) return
    event.preventDefault()
    event.stopPropagation() // Esc stops no answer here
    if (leaves) end()
    else submit()
  }
  const saves = nameOf(usePreference(sendKey))
  return (
    <form
      class="jdc-editor"
      onSubmit={(event) => {
        event.preventDefault()
        submit()
      }}
    >
      <textarea
        ref={input}
        class="jdc-edit-input"
        rows={1}
        value={draft}
        aria-label={label}
        dir="auto"
        onInput={(event) => setDraft(event.currentTarget.value)}
        onKeyDown={onKeyDown}
      />
      <div class="jdc-editor-foot">
        <span class="jdc-editor-hint" role="status">
          {wait ?? ''}
        </span>
        <button type="button" class="jdc-cancel jdc-button" title={words.key(words.cancel, words.keys.escape)} onClick={end}>
          {words.cancel}
        </button>
        <button
          type="submit"
          class="jdc-save jdc-button jdc-primary"
          title={words.key(action, saves)}
          disabled={wait !== null || !draft.trim()}
        >
          {action}
        </button>
      </div>
    </form>
  )
}
