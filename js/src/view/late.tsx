/**
 * What a plain answer is drawn without, by the chunk that it comes in.
 *
 * A chunk is fetched when the first thing of it is drawn, and `soon` before, when the page has nothing else to do: what a
 * person presses is there, also when the server is away by then.
 */

import { Lazy } from '../lazy'
import type { ToolPart } from '../transcript'
import { withWords } from '../words'
import { later } from './later'

export const calls = new Lazy(() => withWords(import('./chunks/calls')))
export const codes = new Lazy(() => import('./chunks/codes'))
export const controls = new Lazy(() => withWords(import('./chunks/controls')))
export const values = new Lazy(() => withWords(import('./chunks/values')))
export const writing = new Lazy(() => withWords(import('./chunks/writing')))

export const Tool = later(calls, ({ Tool }) => Tool, { meanwhile: ToolComing })
export const Entries = later(calls, ({ Entries }) => Entries)
export const File = later(calls, ({ File }) => File)
export const Data = later(values, ({ Data }) => Data)
export const Grid = later(values, ({ Grid }) => Grid)
export const Choices = later(controls, ({ Choices }) => Choices, { takesFocus: true })
export const Downloads = later(controls, ({ Downloads }) => Downloads, { takesFocus: true })
export const FoldedAnswer = later(controls, ({ FoldedAnswer }) => FoldedAnswer)
export const Forked = later(controls, ({ Forked }) => Forked, { takesFocus: true })
export const Grip = later(controls, ({ Grip }) => Grip, { meanwhile: () => null })
export const Lightbox = later(controls, ({ Lightbox }) => Lightbox)
export const Outline = later(controls, ({ Outline }) => Outline, { takesFocus: true })
export const Here = later(controls, ({ Here }) => Here, { meanwhile: () => null })
export const Shortcuts = later(controls, ({ Shortcuts }) => Shortcuts, { takesFocus: true })
export const Qr = later(codes, ({ Qr }) => Qr)
export const Sharing = later(controls, ({ Sharing }) => Sharing, { takesFocus: true })
export const Queue = later(controls, ({ Queue }) => Queue)
export const AmendingEditor = later(writing, ({ AmendingEditor }) => AmendingEditor, { takesFocus: true })
export const Editor = later(writing, ({ Editor }) => Editor, { takesFocus: true })
export const Composer = later(writing, ({ Composer }) => Composer, { meanwhile: ComposerComing })
export const OutgoingMessage = later(writing, ({ OutgoingMessage }) => OutgoingMessage)
export const Unsent = later(writing, ({ Unsent }) => Unsent)

/** Its place. */
function ComposerComing() {
  return <div class="jdc-composer" />
}

/** Its name is known; the way to it (from what says that it waits) leads here, too. */
function ToolComing({ part: { toolCallId, toolName, title, state } }: { part: ToolPart; running: boolean }) {
  return (
    <div class="jdc-tool" data-call-id={toolCallId} data-tool-name={toolName} data-state={state} tabIndex={-1}>
      <div class="jdc-later jdc-shimmer">{title || toolName}</div>
    </div>
  )
}
