/**
 * A host of widgets, and nothing else: one page for one kernel. It has what anywidget's own tests draw in, its runtime as it
 * is published and a manager that is only what Jupyter's leaves open, and in the place of their mock a kernel that runs.
 *
 * The address names a notebook, whose kernel is there or is started, and its fragment the widget that is shown, as an output
 * does: a page that is loaded anew has it from the kernel.
 */

import * as base from '@jupyter-widgets/base'
import { ManagerBase } from '@jupyter-widgets/base-manager'
import { type Kernel, KernelManager, KernelMessage, ServerConnection, SessionManager } from '@jupyterlab/services'
import { Widget } from '@lumino/widgets'

type Classes = Record<string, typeof base.WidgetModel | typeof base.WidgetView | undefined>

/** anywidget is published for the loaders of Jupyter, which define modules in this way. */
const anywidget = new Promise<Classes>((resolve) => {
  const define = (_: string[], module: (given: typeof base) => Classes) => resolve(module(base))
  Object.assign(globalThis, { define })
})
// @ts-expect-error: it is published without types, too
void import('anywidget')

const MODULES: Record<string, Promise<Classes> | undefined> = {
  '@jupyter-widgets/base': Promise.resolve({ ...base } as unknown as Classes),
  anywidget,
}

const VIEW = 'application/vnd.jupyter.widget-view+json'

class Host extends ManagerBase {
  readonly #kernel: Kernel.IKernelConnection
  #shown: Widget | null = null

  constructor(kernel: Kernel.IKernelConnection) {
    super()
    this.#kernel = kernel
    kernel.registerCommTarget(this.comm_target_name, async (comm, message) => {
      await this.handle_comm_open(new base.shims.services.Comm(comm), message)
    })
  }

  /** Run a cell, show the widget that it ends with, and return what it prints. */
  async run(code: string): Promise<string> {
    const output = { text: '', widget: '' }
    const future = this.#kernel.requestExecute({ code })
    future.onIOPub = (message) => {
      if (KernelMessage.isStreamMsg(message)) output.text += message.content.text
      if (KernelMessage.isExecuteResultMsg(message)) output.widget = (message.content.data[VIEW] as { model_id: string } | undefined)?.model_id ?? ''
    }
    const { content } = await future.done
    if (content.status !== 'ok') throw new Error(JSON.stringify(content))
    if (output.widget) await this.show((location.hash = output.widget))
    return output.text
  }

  /** What is shown stays, and is dead, until a cell brings another. */
  async restart(): Promise<void> {
    await this.#kernel.restart()
    this.disconnect()
  }

  async restore(widget: string): Promise<void> {
    await this._loadFromKernel()
    await this.show(widget)
  }

  async show(widget: string): Promise<void> {
    const model = (await this.get_model(widget)) as base.DOMWidgetModel
    const view = await this.create_view<base.DOMWidgetView>(model)
    this.#shown?.dispose()
    this.#shown = view.luminoWidget
    Widget.attach(this.#shown, document.body)
  }

  protected async loadClass(name: string, module: string): Promise<typeof base.WidgetModel | typeof base.WidgetView> {
    const found = (await MODULES[module])?.[name]
    if (!found) throw new Error(`There is no ${name} of ${module} here.`)
    return found
  }

  protected async _create_comm(...[target, id, data, metadata, buffers]: Parameters<ManagerBase['_create_comm']>): Promise<base.IClassicComm> {
    const comm = this.#kernel.createComm(target, id)
    if (data ?? metadata) comm.open(data, metadata, buffers)
    return new base.shims.services.Comm(comm)
  }

  protected async _get_comm_info(): Promise<object> {
    const { content } = await this.#kernel.requestCommInfo({ target_name: this.comm_target_name })
    return content.status === 'ok' ? content.comms : {}
  }
}

const { origin, searchParams, hash } = new URL(location.href)
const serverSettings = ServerConnection.makeSettings({ baseUrl: `${origin}/`, token: searchParams.get('token') ?? '', appendToken: true })
const kernelManager = new KernelManager({ serverSettings })
const notebook = searchParams.get('notebook') ?? ''
const session = { path: notebook, name: notebook, type: 'notebook', kernel: { name: 'python3' } }
const { kernel } = await new SessionManager({ kernelManager, serverSettings }).startNew(session)
if (!kernel) throw new Error('The server has started no kernel.')
const host = new Host(kernel)
Object.assign(window, { host })
if (hash) await host.restore(hash.slice(1))
