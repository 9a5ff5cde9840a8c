/** Whether long lines of code are wrapped: one answer for all chats of this browser. */

import { preferences } from '../../preferences'

const { wrap } = preferences

/** The root elements of chats with code, which carry the answer. They are not kept alive by it. */
const roots = new Set<WeakRef<Element>>()
const known = new WeakSet<Element>()

wrap.follow(() => {
  for (const ref of roots) {
    const root = ref.deref()
    if (root) show(root)
    else roots.delete(ref)
  }
}, new AbortController().signal)

export function isWrapped(): boolean {
  return wrap.value === 'on'
}

export function toggleWrap(): void {
  wrap.choose(isWrapped() ? 'off' : 'on')
}

/** From now on the chat that this element is in wraps its code, or not. */
export function wrapIn(element: Element): void {
  const root = element.closest('.jdc')
  if (!root || known.has(root)) return
  known.add(root)
  roots.add(new WeakRef(root))
  show(root)
}

function show(root: Element): void {
  root.toggleAttribute('data-wrap', isWrapped())
}
