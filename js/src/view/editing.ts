/** What places to write in have in common, and how one comes to them. */

import { useLayoutEffect, useRef, useState } from 'preact/hooks'

/** Whether a message is being edited. The focus goes back to where it came from: the input, or the button that began it. */
export function useEditing() {
  const [editing, setEditing] = useState(false)
  const button = useRef<HTMLButtonElement>(null)
  const origin = useRef<HTMLElement | null>(null)
  const was = useRef(false)
  useLayoutEffect(() => {
    if (was.current && !editing) (origin.current ?? button.current)?.focus()
    was.current = editing
  }, [editing])
  const begin = () => {
    const { activeElement } = button.current?.getRootNode() as Document | ShadowRoot
    origin.current = activeElement instanceof HTMLTextAreaElement ? activeElement : null
    setEditing(true)
  }
  return { editing, button, begin, end: () => setEditing(false) }
}

/** Makes a textarea as high as its text, where the browser does not do that by itself. */
export function grow(input: HTMLTextAreaElement | null): void {
  if (!input || CSS.supports('field-sizing', 'content')) return
  input.style.height = 'auto'
  input.style.height = `${input.scrollHeight}px`
}
