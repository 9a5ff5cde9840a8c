/** That a message is being edited, which `Editor` does. */

import { useLayoutEffect, useRef, useState } from 'preact/hooks'

/** Whether a message is being edited, and the button that began it, which gets the focus back. */
export function useEditing() {
  const [editing, setEditing] = useState(false)
  const button = useRef<HTMLButtonElement>(null)
  const was = useRef(false)
  useLayoutEffect(() => {
    if (was.current && !editing) button.current?.focus()
    was.current = editing
  }, [editing])
  return { editing, button, begin: () => setEditing(true), end: () => setEditing(false) }
}
