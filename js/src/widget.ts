/**
 * The widget's `_esm`: a loader, because it travels once for every widget.
 *
 * The core comes from the server that the page belongs to, and where there is none, from the kernel. Nothing is awaited
 * before `render`: a widget whose module awaits the network loses its kernel's messages.
 */

import { type Core, findHost, importCore } from './host'

interface Model {
  get(name: string): unknown
  on(event: string, callback: (...args: never[]) => void): void
  off(event: string, callback: (...args: never[]) => void): void
  send(message: unknown): void
}

const INLINE = Symbol.for('jupyter-durable-chat')

const page = globalThis as { [INLINE]?: Promise<Core> }

async function render({ model, el }: { model: Model; el: HTMLElement }): Promise<() => void> {
  const host = findHost()
  const served = host && (await importCore(host).catch(() => null))
  const core = served ?? (await (page[INLINE] ??= fromKernel(model)))
  const unmount = new AbortController()
  const mounted = core.mount(el, { source: model.get('bundle'), host: served && host, signal: unmount.signal })
  const update = () => mounted.update(model.get('bundle'))
  model.on('change:bundle', update)
  return () => {
    model.off('change:bundle', update)
    unmount.abort()
  }
}

function fromKernel(model: Model): Promise<Core> {
  return new Promise((resolve) => {
    const hear = ({ type, code }: { type: string; code: string }) => {
      if (type !== 'core') return
      model.off('msg:custom', hear)
      const url = URL.createObjectURL(new Blob([code], { type: 'text/javascript' }))
      resolve(import(/* webpackIgnore: true */ url) as Promise<Core>)
    }
    model.on('msg:custom', hear)
    model.send({ type: 'core' })
  })
}

export default { render }
