/**
 * The front end in one file, for pages that cannot reach the server: the core, which a loader gets from the kernel, and a
 * widget's `_esm` by itself, where the host keeps that as a file and has the kernel no part in it. The kernel carries what
 * it asks and hears.
 */

import { Connection } from './connection/connection'
import { Kernel } from './connection/kernel'
import { mount as mountAt, type Mounted } from './core'
import { type MountAt, show, type View, type WidgetModel } from './show'

/** What requests that go through a kernel are addressed to: nobody else's address. */
const ADDRESS = 'http://kernel.invalid/durable-chat/api/'

/** By what the kernel calls itself, which it does in its next life again. */
const kernels = new Map<string, { kernel: Kernel; connection: Connection }>()

/** As the core does, where the widget with this model is. */
export function mount(root: HTMLElement, { host, ...options }: MountAt<{ model: WidgetModel }>): Mounted {
  const { kernel, connection } = kernelOf(host.model)
  kernel.join(host.model, options.signal)
  return mountAt(root, { ...options, host: { connection } })
}

function kernelOf(model: WidgetModel): { kernel: Kernel; connection: Connection } {
  const name = String(model.get('kernel') ?? '')
  let found = kernels.get(name)
  if (!found) {
    const kernel = new Kernel()
    const connection = new Connection({ api: new URL(ADDRESS), worker: null, kernel, signal: new AbortController().signal })
    kernels.set(name, (found = { kernel, connection }))
  }
  return found
}

export default { render: (view: View): (() => void) => show({ mount }, view, view) }
