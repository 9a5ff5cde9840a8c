/**
 * The widget's `_esm`: a loader, because it travels once for every widget.
 *
 * The core comes from the server that the page belongs to, and where there is none, from the kernel; then the kernel carries
 * what it asks and hears, too. Nothing is awaited before `render`: a widget whose module awaits the network loses its
 * kernel's messages.
 */

import { findCore, findHost } from './host'
import type { mount } from './inline'
import { show, type View, type WidgetModel } from './show'

type Inline = { mount: typeof mount }

const INLINE = Symbol.for('jupyter-durable-chat')

const page = globalThis as { [INLINE]?: Promise<Inline> }

async function render(view: View): Promise<() => void> {
  const host = findHost()
  const served = host && (await findCore(host))
  return served ? show(served, host, view) : show(await (page[INLINE] ??= fromKernel(view.model)), view, view)
}

function fromKernel(model: WidgetModel): Promise<Inline> {
  return new Promise((resolve) => {
    const hear = (message: unknown) => {
      const { type, code } = message as { type: string; code: string }
      if (type !== 'core') return
      model.off('msg:custom', hear)
      const url = URL.createObjectURL(new Blob([code], { type: 'text/javascript' }))
      resolve(import(/* webpackIgnore: true */ url) as Promise<Inline>)
    }
    model.on('msg:custom', hear)
    model.send({ type: 'core' })
  })
}

export default { render }
