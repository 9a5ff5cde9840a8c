/**
 * Makes a list of nodes look like another one and keeps every node that can stay, so that a selection, the focus, a
 * scrolled table and the mouse over a button survive a redraw.
 */

/** `old` (siblings below `parent`, in order, ending before `before`) becomes `next`; returns the nodes it is made of. */
export function morph(parent: Node, old: readonly ChildNode[], next: readonly ChildNode[], before: Node | null): ChildNode[] {
  const kept = next.map((node, index) => {
    const at = old[index]
    if (at && become(at, node)) return at
    if (at) parent.replaceChild(node, at)
    else parent.insertBefore(node, before)
    return node
  })
  for (const node of old.slice(next.length)) parent.removeChild(node)
  return kept
}

function become(node: ChildNode, next: ChildNode): boolean {
  if (node.nodeType !== next.nodeType || node.nodeName !== next.nodeName) return false
  if (node instanceof CharacterData && next instanceof CharacterData) {
    // Appending leaves a selection in the text alone; setting it does not.
    if (next.data.startsWith(node.data)) node.appendData(next.data.slice(node.data.length))
    else node.data = next.data
    return true
  }
  if (node instanceof Element && next instanceof Element) {
    // What a press or Temml has changed is not what was drawn; it is replaced by what is.
    if (node.isEqualNode(next)) return true
    sameAttributes(node, next)
    morph(node, [...node.childNodes], [...next.childNodes], null)
  }
  return true
}

function sameAttributes(node: Element, next: Element): void {
  for (const { name } of [...node.attributes]) if (!next.hasAttribute(name)) node.removeAttribute(name)
  for (const { name, value } of next.attributes) if (node.getAttribute(name) !== value) node.setAttribute(name, value)
}
