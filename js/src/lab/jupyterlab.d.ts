/**
 * What is imported of JupyterLab's packages, which the application has and the build leaves out: as far as it is used, and
 * as it is in JupyterLab 4.0 and Notebook 7.0.
 */

declare module '@jupyterlab/application' {
  import type { WidgetTracker } from '@jupyterlab/apputils'
  import type { Widget } from '@lumino/widgets'

  /** Only JupyterLab has one: there several things have a place in the main area. */
  export const ILabShell: object

  export const ILayoutRestorer: object
  export interface ILayoutRestorer {
    add(widget: object, name: string): void
    restore<W extends Widget>(
      tracker: WidgetTracker<W>,
      how: { command: string; args(widget: W): Record<string, unknown>; name(widget: W): string },
    ): Promise<unknown>
  }
}

declare module '@jupyterlab/apputils' {
  import type { Widget } from '@lumino/widgets'

  export const ICommandPalette: object
  export interface ICommandPalette {
    addItem(item: { command: string; category: string }): unknown
  }

  export class MainAreaWidget<W extends Widget> extends Widget {
    constructor(options: { content: W })
    readonly content: W
  }

  export class WidgetTracker<W extends Widget> {
    constructor(options: { namespace: string })
    add(widget: W): Promise<void>
    find(wanted: (widget: W) => boolean): W | undefined
  }

  export const Dialog: {
    cancelButton(): object
    warnButton(options: { label: string }): object
  }

  export function showDialog(options: {
    title: string
    body: string
    buttons: object[]
    defaultButton?: number
  }): Promise<{ button: { accept: boolean } }>

  export const InputDialog: {
    getText(options: { title: string; text: string; okLabel?: string }): Promise<{ value: string | null; button: { accept: boolean } }>
  }
}

declare module '@jupyterlab/settingregistry' {
  export const ISettingRegistry: object
  export interface ISettingRegistry {
    load(plugin: string): Promise<Settings>
  }
  export interface Settings {
    readonly composite: Record<string, unknown>
    /** What somebody has set. */
    readonly user: Readonly<Record<string, unknown>>
    readonly changed: { connect(slot: () => void): boolean }
    set(key: string, value: string | boolean): Promise<void>
  }
}

declare module '@jupyterlab/ui-components' {
  export class LabIcon {
    constructor(options: { name: string; svgstr: string })
    render(host: HTMLElement): void
  }
}
