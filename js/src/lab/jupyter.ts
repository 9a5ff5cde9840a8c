/**
 * What is used of JupyterLab and Notebook 7, as types of our own: their packages are large, one build runs in all of
 * their versions, and what a version does not have is found out when it is asked for. No more than this is relied on.
 */

export interface App {
  serviceManager?: { contents: Contents }
  shell: {
    widgets(area: 'main'): Iterable<Widget>
    activateById(id: string): void
    add(widget: Widget, area: 'main' | 'left', options?: { rank?: number }): void
  }
  commands: {
    isEnabled(id: string): boolean
    hasCommand(id: string): boolean
    execute(id: string, args?: Record<string, unknown>): Promise<unknown>
    addCommand(id: string, options: CommandOptions): unknown
  }
  /** Of the elements under the context menu that is open, the innermost that `test` finds. */
  contextMenuHitTest?(test: (node: HTMLElement) => boolean): HTMLElement | undefined
  /** Settled when the application is there. */
  restored?: Promise<unknown>
}

export interface CommandOptions {
  label: string | ((args: Record<string, unknown>) => string)
  icon?: { render(host: HTMLElement): void }
  isEnabled?(args: Record<string, unknown>): boolean
  isVisible?(args: Record<string, unknown>): boolean
  execute(args: Record<string, unknown>): unknown
}

export interface Widget {
  id: string
  node: HTMLElement
}

/** A notebook's tab. */
export interface Panel extends Widget {
  disposed: Signal
  context: { path: string; ready: Promise<unknown>; model: { dirty: boolean }; save(): Promise<void>; saveState: Signal }
  content: NotebookWidget
  sessionContext: {
    session: { kernel: { id: string; name: string; status: string } | null } | null
    kernelPreference?: { name?: string | null }
    specsManager?: { specs: { kernelspecs: Record<string, { language: string } | undefined> } | null }
  }
}

interface Signal {
  connect(slot: () => void): boolean
  disconnect(slot: () => void): boolean
}

export interface NotebookWidget {
  node: HTMLElement
  widgets: readonly Cell[]
  activeCellIndex: number
  readonly activeCell: Cell | null
  mode: 'command' | 'edit'
  model: NotebookModel | null
  deselectAll(): void
  scrollToItem?(index: number): Promise<void>
}

export interface NotebookModel {
  readOnly?: boolean
  /** Several people's pages may have the document open. */
  collaborative?: boolean
  sharedModel: {
    undoManager?: UndoManager | null
    /** The pages that have the document open. */
    awareness?: { clientID: number; getStates(): ReadonlyMap<number, unknown> }
    insertCell(index: number, cell: { cell_type: 'code'; source: string; metadata: Record<string, unknown> }): unknown
    getMetadata(key: string): unknown
  }
}

export interface Cell extends Widget {
  model: {
    id: string
    type: string
    executionCount?: number | null
    getMetadata(key: string): unknown
    sharedModel: { undoManager?: UndoManager | null; source: string; setSource(source: string): void }
  }
}

interface UndoManager {
  /** What comes now is a step of its own, however soon it comes. */
  stopCapturing(): void
}

/** A chat's place: its cell, in its notebook. */
export interface Place {
  panel: Panel
  notebook: NotebookWidget
  model: NotebookModel
  cell: Cell
  index: number
}

/** The cell that an element is in; `null` in a view of an output outside of its notebook, or where there is no notebook. */
export function placeOf(app: App, from: Element): Place | null {
  for (const panel of app.shell.widgets('main')) {
    if (!panel.node.contains(from) || !isNotebook(panel) || !panel.content.model) continue
    const { content } = panel
    const index = content.widgets.findIndex(({ node }) => node.contains(from))
    const cell = content.widgets[index]
    return cell ? { panel, notebook: content, model: panel.content.model, cell, index } : null
  }
  return null
}

/** The tab of this notebook, on whatever drive. */
export function findPanel(app: App, path: string): Panel | null {
  for (const panel of app.shell.widgets('main')) {
    if (isNotebook(panel) && panel.context.path.replace(/^[^/:]+:/, '') === path) return panel
  }
  return null
}

/** The language of a notebook's kernel in lower case; empty where nobody knows. */
export function kernelLanguage({ panel: { sessionContext }, model }: Place): string {
  const { session, kernelPreference, specsManager } = sessionContext
  const spec = session?.kernel?.name ?? kernelPreference?.name ?? ''
  const { language } = (model.sharedModel.getMetadata('kernelspec') ?? {}) as { language?: unknown }
  return String(specsManager?.specs?.kernelspecs[spec]?.language ?? language ?? '').toLowerCase()
}

function isNotebook(widget: Widget): widget is Panel {
  const { content, context, sessionContext } = widget as Partial<Panel>
  const insertCell: unknown = content?.model?.sharedModel?.insertCell
  return Array.isArray(content?.widgets) && typeof insertCell === 'function' && context !== undefined && sessionContext !== undefined
}

/** The server's files, as JupyterLab reaches them. */
export interface Contents {
  get(path: string, options: { content: boolean; type?: 'file' | 'notebook'; format?: 'base64' }): Promise<{
    name: string
    content: unknown
    mimetype?: string
  }>
}

export interface Kernel {
  status: string
  requestExecute(content: {
    code: string
    silent: boolean
    store_history: boolean
    stop_on_error: boolean
    user_expressions: Record<string, string>
  }): {
    done: Promise<{ content: { user_expressions?: Record<string, { status?: string; data?: Record<string, unknown> }> } }>
    dispose(): void
  }
}
