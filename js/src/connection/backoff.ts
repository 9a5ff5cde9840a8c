/** How long to wait before the next attempt: at random up to a limit that doubles, so that a crowd does not come back at once. */
export class Backoff {
  #failures = 0

  constructor(
    /** Milliseconds. The first limit; a server may ask for another (`retry:`). */
    public base = 1000,
    readonly cap = 15_000,
  ) {}

  succeeded(): void {
    this.#failures = 0
  }

  /** Milliseconds to wait after one more failure, at least `atLeast`. */
  failed(atLeast = 0): number {
    const limit = Math.min(this.cap, this.base * 2 ** this.#failures)
    this.#failures += 1
    return Math.max(atLeast, Math.random() * limit)
  }
}
