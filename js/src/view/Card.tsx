/** The frame of a call, whatever is in it. */

import type { ComponentChildren } from 'preact'
import { isOver, type ToolPart } from '../transcript'
import { openEnd, stateWords } from './calls'
import { Icon, type IconName } from './Icon'
import { needsPerson, waits } from './waits'

export function Card({ part, class: name = '', children }: { part: ToolPart; class?: string; children: ComponentChildren }) {
  return (
    <div
      class={`jdc-tool ${name}`.trim()}
      data-call-id={part.toolCallId}
      data-tool-name={part.toolName}
      data-state={part.state}
      tabIndex={-1}
    >
      {children}
    </div>
  )
}

interface LineProps {
  part: ToolPart
  running: boolean
  icon: IconName
  children?: ComponentChildren
}

/** The line of a card that is always there. */
export function CardLine({ part, running, icon, children }: LineProps) {
  const { state } = part
  const over = isOver(part)
  const waiting = running ? (needsPerson(part) ?? waits(part)) : null
  return (
    <>
      <Icon name={icon} />
      {children}
      <span class={`jdc-tool-state ${running && !over && !waiting ? 'jdc-shimmer' : ''}`} data-waits={waiting ?? ''}>
        {stateWords(part, running)}
        {state === 'output-available' && over && <Icon name="check" />}
        {(state === 'output-error' || state === 'output-denied') && !openEnd(part) && <Icon name="cross" />}
      </span>
    </>
  )
}
