/** When a change is drawn: with the next frame where somebody sees it, once in a while where nobody does. */

/** Once, when the browser draws next; soon all the same where it draws nothing. */
export function onNextFrame(paint: () => void): () => void {
  const cancel = () => {
    cancelAnimationFrame(frame)
    clearTimeout(timer)
  }
  const run = () => {
    cancel()
    paint()
  }
  const frame = requestAnimationFrame(run)
  const timer = setTimeout(run, 250)
  return cancel
}

/** Milliseconds for which what nobody sees may be old. It is not left at that: the page may be searched, or read aloud. */
const UNSEEN = 1000

/** Once, after a while and when the page has nothing else to do. */
export function atLeisure(paint: () => void): () => void {
  let cancel = () => clearTimeout(timer)
  const timer = setTimeout(() => (cancel = onIdle(paint)), document.hidden ? 0 : UNSEEN) // a hidden page's timers are slow anyway
  return () => cancel()
}

/** Once, when the page has nothing else to do, but within a second. */
export function onIdle(run: () => void): () => void {
  if (!globalThis.requestIdleCallback) {
    const timer = setTimeout(run, 1)
    return () => clearTimeout(timer)
  }
  const request = requestIdleCallback(run, { timeout: UNSEEN })
  return () => cancelIdleCallback(request)
}
