/**
 * What time it is where the events get theirs. A `Date` header says it to the second: the moment lies within that second,
 * and between the request and its response. What several say together is kept, and the page's own clock is believed for
 * as long as none of them speaks against it.
 */

export class Clock {
  /** By how much the server's clock may be ahead of the page's, in milliseconds. */
  #least = -Infinity
  #most = Infinity

  /** A response with this header has come, to a request that was `sent` then. */
  hear(date: string | null, sent: number, received = Date.now()): void {
    const second = Date.parse(date ?? '')
    if (Number.isNaN(second)) return
    const least = second - received
    const most = second + 1000 - sent
    // One of the clocks was set: what was known before is of no use any more.
    const isOther = least > this.#most || most < this.#least
    this.#least = isOther ? least : Math.max(this.#least, least)
    this.#most = isOther ? most : Math.min(this.#most, most)
  }

  readonly now = (): number => {
    const isRight = this.#least <= 0 && this.#most >= 0
    return Date.now() + (isRight ? 0 : (this.#least + this.#most) / 2)
  }
}

/** The clock of the server that this page is of. */
export const clock = new Clock()
