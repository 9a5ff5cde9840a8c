/**
 * The page's side of the frame in which Mermaid runs (`mermaid/frame.ts`): made with the first diagram, kept for all
 * others, one order at a time. A frame that does not answer in time is taken away, with whatever goes on in it.
 *
 * The frame has an origin of its own, so nothing of the page's, and a policy by which it fetches Mermaid and nothing else.
 */

import { type Answer, LARGEST_SVG, LONGEST_SOURCE, type Order } from '../../mermaid/protocol'

/** What came of it. `unreachable`: there is no Mermaid here. An error's text may be empty. */
export type Drawing = { svg: string } | { error: string } | 'unreachable' | 'slow'

/** Milliseconds for the file to come, for the frame to say that it is there, and for one diagram. */
const LIMITS = { loading: 60_000, starting: 10_000, drawing: 10_000 }

export class Draughtsman {
  readonly #file: URL | null
  readonly #limits: typeof LIMITS
  #frame: HTMLIFrameElement | null = null
  #port: Promise<MessagePort | null> | null = null
  #orders = 0
  #last: Promise<unknown> = Promise.resolve()

  /** `file`: Mermaid's, or `null` where there is none. */
  constructor(file: URL | null, limits = LIMITS) {
    this.#file = file
    this.#limits = limits
  }

  /** Never rejects. */
  draw(source: string, dark: boolean): Promise<Drawing> {
    const next = this.#last.then(() => this.#draw(source, dark))
    this.#last = next
    return next
  }

  async #draw(source: string, dark: boolean): Promise<Drawing> {
    if (source.length > LONGEST_SOURCE) return { error: '' }
    this.#port ??= this.#open()
    const port = await this.#port
    if (!port) {
      this.#close() // the next one may find it
      return 'unreachable'
    }
    const order: Order = { id: ++this.#orders, source, dark }
    const heard = answerOf(port, (answer) => 'id' in answer && answer.id === order.id, this.#limits.drawing)
    port.postMessage(order)
    const answer = await heard
    if (!answer) {
      this.#close()
      return 'slow'
    }
    if ('svg' in answer && typeof answer.svg === 'string' && answer.svg.length <= LARGEST_SVG) return { svg: answer.svg }
    return { error: 'error' in answer ? String(answer.error) : '' }
  }

  async #open(): Promise<MessagePort | null> {
    if (!this.#file) return null
    const frame = (this.#frame = document.createElement('iframe'))
    frame.setAttribute('sandbox', 'allow-scripts')
    frame.setAttribute('aria-hidden', 'true')
    frame.referrerPolicy = 'no-referrer'
    frame.tabIndex = -1
    // As wide as what is drawn to fit its place should be, and never in sight.
    frame.style.cssText = 'position: fixed; top: 0; left: -2000px; width: 800px; height: 600px; border: 0; visibility: hidden'
    frame.srcdoc = page(this.#file.href)
    const loaded = new Promise<boolean>((done) => {
      frame.addEventListener('load', () => done(true), { once: true })
      setTimeout(() => done(false), this.#limits.loading)
    })
    document.body.append(frame)
    if (!(await loaded)) return null
    const { port1, port2 } = new MessageChannel()
    port1.start()
    const ready = answerOf(port1, (answer) => 'ready' in answer, this.#limits.starting)
    frame.contentWindow?.postMessage(null, '*', [port2]) // it has no origin that could be named
    return (await ready) && port1
  }

  #close(): void {
    this.#frame?.remove()
    this.#frame = this.#port = null
  }
}

function page(script: string): string {
  const policy = `default-src 'none'; script-src ${script}; style-src 'unsafe-inline'`
  return `<!doctype html><meta charset="utf-8"><meta http-equiv="Content-Security-Policy" content="${policy}"><script src="${script}"></script><body>`
}

/** The first message like this, if one comes in time. */
function answerOf(port: MessagePort, isIt: (answer: Answer) => boolean, limit: number): Promise<Answer | null> {
  return new Promise((done) => {
    const over = new AbortController()
    const end = (answer: Answer | null) => {
      clearTimeout(timer)
      over.abort()
      done(answer)
    }
    const timer = setTimeout(() => end(null), limit)
    const onMessage = ({ data }: MessageEvent<unknown>) => {
      if (typeof data === 'object' && data !== null && isIt(data as Answer)) end(data as Answer)
    }
    port.addEventListener('message', onMessage, { signal: over.signal })
  })
}
