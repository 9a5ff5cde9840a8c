/**
 * A component that comes with a chunk. Until the chunk is there something calm stands in its place; what had the focus in
 * there hands it on.
 */

import { Component, type ComponentType, type VNode } from 'preact'
import { words } from '../words'
import type { Lazy } from '../lazy'

interface Options<P> {
  /** What stands in its place. Its element keeps the focus for the component when it can take it. */
  meanwhile?: ComponentType<P>
  /** A press has opened it where the button was: the focus waits for it here, so that no key goes to the notebook. */
  takesFocus?: boolean
}

/** Draws at once what `of` finds in the chunk's module when that is there already. */
export function later<M, P extends object>(
  chunk: Lazy<M>,
  of: (module: M) => ComponentType<P>,
  { meanwhile: Meanwhile = Coming, takesFocus = false }: Options<P> = {},
): ComponentType<P> {
  return class extends Component<P> {
    #unwatch: (() => void) | null = null
    #focused = false

    override componentDidMount(): void {
      if (chunk.module) return
      if (takesFocus) element(this)?.focus({ preventScroll: true })
      this.#unwatch = chunk.watch(() => {
        this.#focused = hasFocus(element(this))
        this.forceUpdate()
      })
      void chunk.load()
    }

    override componentDidUpdate(): void {
      if (!chunk.module || !this.#focused) return
      this.#focused = false
      const now = element(this)
      if (now && !hasFocus(now)) now.focus({ preventScroll: true })
    }

    override componentWillUnmount(): void {
      this.#unwatch?.()
    }

    override render(props: P): VNode | null {
      if (chunk.module) {
        const Arrived = of(chunk.module)
        return <Arrived {...props} />
      }
      return chunk.failed ? <Failed retry={() => chunk.retry()} /> : <Meanwhile {...props} />
    }
  }
}

function element(component: Component): HTMLElement | null {
  const { base } = component as { base?: unknown }
  return base instanceof HTMLElement ? base : null
}

function hasFocus(element: HTMLElement | null): boolean {
  const home = element?.getRootNode() as Document | ShadowRoot | undefined
  return Boolean(home?.activeElement && element?.contains(home.activeElement))
}

function Coming(): VNode {
  return (
    <div class="jdc-later jdc-shimmer" tabIndex={-1}>
      {words.coming}
    </div>
  )
}

function Failed({ retry }: { retry(): void }): VNode {
  return (
    <div class="jdc-later" tabIndex={-1}>
      {words.notLoaded}{' '}
      <button type="button" class="jdc-link" onClick={retry}>
        {words.tryAgain}
      </button>
    </div>
  )
}
