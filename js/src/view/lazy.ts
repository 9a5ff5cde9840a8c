/** A module that is fetched when it is first needed; until it is there, and where it cannot be had, there is none. */

export class Lazy<M> {
  readonly #fetch: () => Promise<M>
  #loading: Promise<M | null> | null = null
  /** The module, once it has come. */
  module: M | null = null

  constructor(fetch: () => Promise<M>) {
    this.#fetch = fetch
  }

  load(): Promise<M | null> {
    this.#loading ??= this.#fetch().then(
      (module) => (this.module = module),
      () => null, // the page cannot reach it: what needs it does without
    )
    return this.#loading
  }
}
