/** One connection that brings events: the sessions that it still delivers, and how long it may be silent. */

/** Why a connection was ended from here. */
const UNWANTED = Symbol('unwanted')
const SILENT = Symbol('silent')

export class Carrier {
  readonly #connection = new AbortController()
  /** What it was asked for, and still delivers. */
  #carried = new Set<string>()
  /** Of what it carries, that of which it has not said yet that all is delivered that there was. */
  #owed = new Set<string>()
  #timer: ReturnType<typeof setTimeout> | undefined
  /** It has said what is promised to be said at once. */
  through = false

  get signal(): AbortSignal {
    return this.#connection.signal
  }

  /** Nobody wants to know how it ends. */
  get unwanted(): boolean {
    return this.signal.reason === UNWANTED
  }

  /** It was ended because nothing was heard. */
  get silent(): boolean {
    return this.signal.reason === SILENT
  }

  /** It counts as dead when nothing is heard for so many milliseconds from now. */
  expect(milliseconds: number): void {
    clearTimeout(this.#timer)
    this.#timer = setTimeout(() => this.#connection.abort(SILENT), milliseconds)
  }

  /** Nothing is expected of it now. */
  rest(): void {
    clearTimeout(this.#timer)
  }

  end(): void {
    this.rest()
    this.#carried.clear()
    this.#connection.abort(UNWANTED)
  }

  carry(sessions: Iterable<string>): void {
    this.#carried = new Set(sessions)
    this.#owed = new Set(this.#carried)
  }

  carries(session: string): boolean {
    return this.#carried.has(session)
  }

  drop(session: string): void {
    this.#carried.delete(session)
    this.#owed.delete(session)
  }

  /** Of this session all is delivered that there was. */
  paid(session: string): void {
    this.#owed.delete(session)
  }

  get owes(): boolean {
    return this.#owed.size > 0
  }
}
