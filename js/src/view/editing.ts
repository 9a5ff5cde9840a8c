/** That a message is being edited, which `Editor` does. */

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
