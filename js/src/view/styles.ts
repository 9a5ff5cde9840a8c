/** The style sheet of everything that is drawn, in every document and shadow root that has a chat; a chunk adds its own. */

const texts: string[] = []
const places = new Set<WeakRef<HTMLStyleElement>>()

export function addStyles(css: string): void {
  texts.push(css)
  for (const place of places) {
    const style = place.deref()
    if (style?.isConnected) style.append(css)
    else places.delete(place)
  }
}

/** Styles what is below `root`, once it is in a document or shadow root. */
export function dressPlace(root: HTMLElement): void {
  if (!root.isConnected) return
  const home = root.getRootNode()
  const place = home instanceof ShadowRoot ? home : document.head
  if (place.querySelector('style[data-jdc]')) return
  const style = document.createElement('style')
  style.dataset['jdc'] = ''
  style.append(...texts)
  place.append(style)
  places.add(new WeakRef(style))
}
