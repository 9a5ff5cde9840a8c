/**
 * A module that is fetched when it is first needed. A fetch that fails is begun again, later and later, for as long as the
 * page is there: a server that restarts, or a network that is away, is no reason to go without for ever.
 */

import { Backoff } from './connection/backoff'

export class Lazy<M> {
  readonly #fetch: () => Promise<M>
  readonly #backoff: Backoff
  readonly #watchers = new Set<() => void>()
  #loading: Promise<M> | null = null
  #hurry: () => void = () => undefined
  /** The module, once it has come. */
  module: M | null = null
  /** It could not be fetched, and is asked for again after a while. */
  failed = false

  constructor(fetch: () => Promise<M>, backoff = new Backoff(1000, 60_000)) {
    this.#fetch = fetch
    this.#backoff = backoff
  }

  /** Resolves when it is there, however often it had to be asked for. */
  load(): Promise<M> {
    this.#loading ??= this.#insist()
    return this.#loading
  }

  /** Ask again now. */
  retry(): void {
    this.#hurry()
  }

  /** Calls `changed` when `module` or `failed` have. Returns what ends that. */
  watch(changed: () => void): () => void {
    this.#watchers.add(changed)
    return () => void this.#watchers.delete(changed)
  }

  async #insist(): Promise<M> {
    for (;;) {
      try {
        const module = await this.#fetch()
        this.#become(module, false)
        return module
      } catch {
        this.#become(null, true)
        await this.#pause()
      }
    }
  }

  #become(module: M | null, failed: boolean): void {
    if (this.module === module && this.failed === failed) return
    this.module = module
    this.failed = failed
    for (const changed of [...this.#watchers]) changed()
  }

  #pause(): Promise<void> {
    return new Promise((resolve) => {
      const timer = setTimeout(resolve, this.#backoff.failed())
      this.#hurry = () => {
        clearTimeout(timer)
        resolve()
      }
    })
  }
}
