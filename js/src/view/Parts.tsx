/** The parts of a message: text, reasoning, tool calls, sources, files. What is folded is not drawn until it is opened. */

import type { ComponentChildren, VNode } from 'preact'
import { useLayoutEffect, useRef, useState } from 'preact/hooks'
import type { FilePart, Part, SourceDocumentPart, SourceUrlPart, TextPart, ToolPart } from '../transcript'
import { picture } from './dress'
import { Icon } from './Icon'
import { memo } from './memo'
import { linkAttributes, outsideUrl } from './sanitize'
import { Text } from './Text'

/** One part; `running` while its turn runs, so that it may still grow. */
export const PartView = memo(({ part, running }: { part: Part; running: boolean }): VNode | null => {
  switch (part.type) {
    case 'text':
      return part.text ? <Text text={part.text} done={isDone(part, running)} /> : null
    case 'reasoning':
      return part.text ? <Reasoning text={part.text} done={isDone(part, running)} /> : null
    case 'dynamic-tool':
      return <Tool part={part} running={running} />
    case 'source-url':
    case 'source-document':
      return <Source part={part} />
    case 'file':
      return <File part={part} />
    default:
      return null
  }
})

function isDone(part: TextPart, running: boolean): boolean {
  return !running || part.state !== 'streaming'
}

function Reasoning({ text, done }: { text: string; done: boolean }) {
  return (
    <Fold class="jdc-reasoning" summary={<span class={done ? '' : 'jdc-shimmer'}>{done ? 'Reasoning' : 'Thinking…'}</span>}>
      {() => <Text text={text} done={done} />}
    </Fold>
  )
}

const TOOL_STATES: Record<ToolPart['state'], string> = {
  'input-streaming': 'preparing…',
  'input-available': 'running…',
  'approval-requested': 'waits for approval',
  'approval-responded': 'running…',
  'output-available': 'done',
  'output-error': 'failed',
  'output-denied': 'denied',
}

function Tool({ part, running }: { part: ToolPart; running: boolean }) {
  const { state, toolName, title, errorText } = part
  const ended = state.startsWith('output-') && !part.preliminary
  return (
    <div class="jdc-tool" data-state={state}>
      <Fold
        class="jdc-tool-fold"
        summary={
          <>
            <Icon name="tool" />
            <span class="jdc-tool-name">{title || toolName}</span>
            <span class={`jdc-tool-state ${running && !ended ? 'jdc-shimmer' : ''}`}>
              {running || ended ? TOOL_STATES[state] : 'no result'}
              {state === 'output-available' && ended && <Icon name="check" />}
              {(state === 'output-error' || state === 'output-denied') && <Icon name="cross" />}
            </span>
          </>
        }
      >
        {() => (
          <>
            <Json label="Input" value={part.input ?? part.rawInput} />
            <Json label="Output" value={part.output} />
          </>
        )}
      </Fold>
      {errorText && <div class="jdc-tool-error">{errorText}</div>}
    </div>
  )
}

const LONGEST_JSON = 20_000

function Json({ label, value }: { label: string; value: unknown }) {
  if (value === undefined) return null
  const text = typeof value === 'string' ? value : JSON.stringify(value, null, 2)
  const rest = text.length - LONGEST_JSON
  return (
    <div class="jdc-json">
      <span>{label}</span>
      <pre>{rest > 0 ? `${text.slice(0, LONGEST_JSON)}\n… ${rest.toLocaleString()} more characters` : text}</pre>
    </div>
  )
}

function Source({ part }: { part: SourceUrlPart | SourceDocumentPart }) {
  const url = part.type === 'source-url' ? outsideUrl(part.url) : null
  const label = part.title || url?.host || (part.type === 'source-url' ? part.url : part.filename)
  if (!url) return <Chip icon="file">{label}</Chip>
  return (
    <a class="jdc-chip" {...linkAttributes(url)}>
      <Icon name="link" />
      <span>{label}</span>
    </a>
  )
}

function File({ part }: { part: FilePart }) {
  if (part.mediaType.startsWith('image/')) return <Picture url={part.url} alt={part.filename ?? ''} />
  const url = outsideUrl(part.url)
  const name = part.filename || part.mediaType
  if (!url) return <Chip icon="file">{name}</Chip>
  return (
    <a class="jdc-chip" {...linkAttributes(url)}>
      <Icon name="file" />
      <span>{name}</span>
    </a>
  )
}

function Picture({ url, alt }: { url: string; alt: string }) {
  const element = useRef<HTMLDivElement>(null)
  useLayoutEffect(() => element.current?.replaceChildren(picture(url, alt)), [url, alt])
  return <div class="jdc-picture" ref={element} />
}

function Chip({ icon, children }: { icon: 'file'; children: ComponentChildren }) {
  return (
    <span class="jdc-chip">
      <Icon name={icon} />
      <span>{children}</span>
    </span>
  )
}

interface FoldProps {
  class: string
  summary: VNode
  children: () => VNode
}

function Fold({ class: name, summary, children }: FoldProps) {
  const [open, setOpen] = useState(false)
  return (
    <details class={name} onToggle={(event) => setOpen(event.currentTarget.open)}>
      <summary>
        <Icon name="chevron" />
        {summary}
      </summary>
      {open && <div class="jdc-folded">{children()}</div>}
    </details>
  )
}
