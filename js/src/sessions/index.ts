/** The sessions of a server: the list, and the panel that shows it wherever it is wanted. A chunk: most pages show one chat. */

import { h, render } from 'preact'

import { clock } from '../connection/clock'
import type { Connection } from '../connection/connection'
import { onNextFrame } from '../frames'
import { addStyles, dressPlace } from '../view/styles'
import { SessionList } from './list'
import { Panel, type PanelActions } from './Panel'
import css from './panel.css'

addStyles(css)

/** Milliseconds after which what is said of times is drawn again. */
const TICK = 30_000

export class Sessions {
  readonly list: SessionList
  #paint: () => void = () => undefined

  constructor(connection: Connection) {
    this.list = new SessionList(connection, () => this.#paint(), new AbortController().signal)
  }

  /** Draws the panel there until `signal` is aborted; what nobody sees is not kept up to date. */
  show(root: HTMLElement, actions: PanelActions, signal: AbortSignal): void {
    const { list } = this
    root.classList.add('jdc', 'jdc-sessions')
    let cancel: (() => void) | null = null
    const paint = () => {
      cancel = null
      dressPlace(root)
      render(h(Panel, { list, actions, now: clock.now() }), root)
      Object.assign(root.dataset, { phase: list.phase, offline: String(list.offline !== null) })
    }
    const soon = () => (cancel ??= onNextFrame(paint))
    let inSight = false
    const settle = () => list.see(inSight && !document.hidden && !signal.aborted)
    const sight = new IntersectionObserver((entries) => {
      inSight = entries.at(-1)?.isIntersecting ?? false
      settle()
    })
    sight.observe(root)
    document.addEventListener('visibilitychange', settle, { signal })
    const ticking = setInterval(() => inSight && soon(), TICK)
    this.#paint = soon
    signal.addEventListener('abort', () => {
      cancel?.()
      clearInterval(ticking)
      sight.disconnect()
      settle()
      render(null, root)
    })
    paint()
  }
}
