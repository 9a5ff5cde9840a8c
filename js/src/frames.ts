/**
 * When things are done: what somebody sees, with the next frame; what nobody sees, once in a while; what takes long, in
 * slices, so that no frame and no key waits for it.
 */

/** Milliseconds after a key in which the frame is its letter's. */
const LETTER = 30

let pressed = -LETTER
globalThis.addEventListener?.('keydown', ({ timeStamp }) => (pressed = timeStamp), { capture: true, passive: true })

/**
 * Once, when the browser draws next, or in the frame after that when this one has a letter that somebody types; soon all
 * the same where it draws nothing.
 */
export function onNextFrame(paint: () => void): () => void {
  const cancel = () => {
    cancelAnimationFrame(frame)
    clearTimeout(timer)
  }
  const run = () => {
    cancel()
    paint()
  }
  let frame = requestAnimationFrame((now) => {
    if (now - pressed < LETTER) frame = requestAnimationFrame(run)
    else run()
  })
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

/** Milliseconds of work after which the page gets its turn. */
const SLICE = 8

/** What to await between the steps of long work that nobody waits for: nothing at first, the next idle time after a slice. */
export function inSlices(): () => Promise<void> | undefined {
  let end = performance.now() + SLICE
  return () => {
    if (performance.now() < end) return undefined
    return new Promise((resolve) =>
      onIdle(() => {
        end = performance.now() + SLICE
        resolve()
      }),
    )
  }
}
