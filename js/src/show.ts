/** A widget's view: the core in its element, for as long as that is shown. */

import type { Model } from './connection/kernel'
import type { Mounted, MountOptions } from './core'

export type WidgetModel = Model & { get(name: string): unknown }

export type MountAt<Host> = Omit<MountOptions, 'host'> & { host: Host }

export interface View {
  model: WidgetModel
  el: HTMLElement
}

/** Returns what takes it away. */
export function show<Host>(core: { mount(root: HTMLElement, options: MountAt<Host>): Mounted }, host: Host, { model, el }: View): () => void {
  const unmount = new AbortController()
  const mounted = core.mount(el, { source: model.get('bundle'), host, signal: unmount.signal })
  const update = () => mounted.update(model.get('bundle'))
  model.on('change:bundle', update)
  return () => {
    model.off('change:bundle', update)
    unmount.abort()
  }
}
