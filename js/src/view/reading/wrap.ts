/** Whether long lines of code are wrapped: one answer for all chats of this browser. */

const KEY = 'jupyter-durable-chat:wrap'

/** The root elements of chats with code, which carry the answer. They are not kept alive by it. */
const roots = new Set<WeakRef<Element>>()
const known = new WeakSet<Element>()

let wraps = stored()
addEventListener('storage', ({ key }) => key === KEY && set(stored()))

export function isWrapped(): boolean {
  return wraps
}

export function toggleWrap(): void {
  set(!wraps)
  try {
    localStorage.setItem(KEY, String(wraps))
  } catch {
    // For this page only, then.
  }
}

/** From now on the chat that this element is in wraps its code, or not. */
export function wrapIn(element: Element): void {
  const root = element.closest('.jdc')
  if (!root || known.has(root)) return
  known.add(root)
  roots.add(new WeakRef(root))
  root.toggleAttribute('data-wrap', wraps)
}

function set(value: boolean): void {
  wraps = value
  for (const ref of roots) {
    const root = ref.deref()
    if (root) root.toggleAttribute('data-wrap', wraps)
    else roots.delete(ref)
  }
}

function stored(): boolean {
  try {
    return localStorage.getItem(KEY) === 'true'
  } catch {
    return false
  }
}
