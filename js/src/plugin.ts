/**
 * The MIME renderer for JupyterLab and Notebook 7: a chat is drawn without any kernel, and in an untrusted notebook too,
 * because its data is treated as a stranger's.
 *
 * The final transcript goes into the cell's output, so that the next save of the notebook has it. Of several people's pages on
 * one document the first writes it; each of the others waits whether that comes, and writes it if it does not.
 */

import type { IRenderMime } from '@jupyterlab/rendermime-interfaces'
import { Widget } from '@lumino/widgets'

import type { Mounted } from './core'
import { type Core, findCore, findHost, findNotebook } from './host'
import { MIME_TYPE } from './mime'

/** Before the widget view's -10: JupyterLab renders one of an output's forms and never tries another. */
const RANK = -20

const NOT_LOADED =
  'This is a saved copy: the chat itself could not be loaded from this server. Reload the page. If that does not help, ' +
  'install jupyter-durable-chat where Jupyter runs and restart Jupyter.'

class Renderer extends Widget implements IRenderMime.IRenderer {
  readonly #unmount = new AbortController()
  #model: IRenderMime.IMimeModel | null = null
  #mounted: Mounted | null = null
  #kept: Record<string, unknown> | null = null

  /** Called again when the output's data changes. */
  async renderModel(model: IRenderMime.IMimeModel): Promise<void> {
    this.#model = model
    const host = findHost()
    const core = host && (await findCore(host))
    if (this.isDisposed) return
    if (this.#mounted) this.#mounted.update(model.data[MIME_TYPE])
    else if (host && core) this.#mount(core, host)
    else this.node.textContent = fallback(model)
  }

  override dispose(): void {
    this.#unmount.abort()
    super.dispose()
  }

  #mount(core: Core, host: { baseUrl: string }): void {
    this.#mounted = core.mount(this.node, {
      source: this.#model?.data[MIME_TYPE],
      host,
      signal: this.#unmount.signal,
      onFinal: (bundle) => void this.#keep(bundle),
    })
  }

  async #keep(bundle: Record<string, unknown>): Promise<void> {
    this.#kept = bundle
    const wasOpen = await findNotebook()?.turnToWrite(this.node)
    const model = this.#model
    if (!model || this.isDisposed || this.#kept !== bundle) return
    if (wasOpen && lsnOf(model.data) >= lsnOf(bundle)) return
    model.setData({ data: { ...model.data, ...bundle } as typeof model.data, metadata: model.metadata })
  }
}

/** How far the session was that an output has. */
function lsnOf(data: Record<string, unknown>): number {
  const { lsn } = (data[MIME_TYPE] ?? {}) as { lsn?: unknown }
  return typeof lsn === 'number' ? lsn : -1
}

/** The front end could not be loaded: what the saved output says in words. */
function fallback({ data }: IRenderMime.IMimeModel): string {
  const text = data['text/plain']
  const said = Array.isArray(text) ? text.join('') : typeof text === 'string' ? text : ''
  return `${said}\n\n(${NOT_LOADED})`
}

const extension: IRenderMime.IExtension = {
  id: 'jupyter-durable-chat:mime',
  description: 'Draws chats whose answers outlive the kernel and the page.',
  rendererFactory: {
    safe: true,
    mimeTypes: [MIME_TYPE],
    createRenderer: () => new Renderer(),
  },
  rank: RANK,
  dataType: 'json',
}

export default extension
