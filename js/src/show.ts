/** A widget's view: the core in its element, for as long as that is shown. */

import type { MountOptions, WidgetModel } from './core'
import type { Core } from './host'

export interface View {
  model: WidgetModel
  el: HTMLElement
}

/** Returns what takes it away. */
export function show(core: Core, host: MountOptions['host'], { model, el }: View): () => void {
  const unmount = new AbortController()
  const mounted = core.mount(el, { source: model.get('bundle'), host, signal: unmount.signal })
  const update = () => mounted.update(model.get('bundle'))
  model.on('change:bundle', update)
  return () => {
    model.off('change:bundle', update)
    unmount.abort()
  }
}
