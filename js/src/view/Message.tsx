/** One message, and what became of it. */

import type { ComponentChildren } from 'preact'
import { useLayoutEffect, useRef, useState } from 'preact/hooks'
import { canContinue, type Metadata, type Part, type UIMessage } from '../transcript'
import { copyText } from './clipboard'
import { Editor, useEditing } from './Editor'
import { Icon } from './Icon'
import { IconButton } from './IconButton'
import { memo } from './memo'
import { Unsent } from './Outgoing'
import { PartView } from './Parts'
import type { Outgoing } from './types'

/** What a person can do with a message that is there. */
export interface MessageActions {
  retry(id: string): void
  goOn(id: string): void
  edit(id: string, text: string): void
  /** Show this version, which is one step away from the one that is shown. */
  show(id: string, step: Step): void
  /** The step by which this version came to be shown just now, if a person took one. */
  shownBy(id: string): Step | null
  /** A text that was being written and has lost its place. */
  left(text: string): void
  resend(clientId: string): void
  discard(clientId: string): void
}

export type Step = 'previous' | 'next'

interface Props {
  message: UIMessage
  /** Its turn runs. */
  running: boolean
  /** And every piece of it is seen as it comes. */
  live: boolean
  /** What it is to say instead, on its way to the server. */
  edited: Outgoing | null
  /** It is the last one. */
  last: boolean
  /** `null`: it can only be read. */
  actions: MessageActions | null
  /** Some turn runs, so that no other can be asked for. */
  busy: boolean
  /** Which of its versions this is, how many there are, and the ones beside it. */
  version: number
  versions: number
  previous: string | null
  next: string | null
}

export const Message = memo((props: Props) => (props.message.role === 'user' ? <Question {...props} /> : <Answer {...props} />))

function Question(props: Props) {
  const { message, edited, actions, busy } = props
  const { editing, button, begin, end } = useEditing()
  const texts = message.parts.flatMap((part) => (part.type === 'text' ? [part.text] : []))
  const { author } = message.metadata
  return (
    <article
      class={edited ? 'jdc-message jdc-outgoing' : 'jdc-message'}
      data-message-id={message.id}
      data-role="user"
      aria-label={author?.name || 'You'}
    >
      {editing ? (
        <Editor
          text={texts.join('\n\n')}
          label="Edit message"
          action="Send"
          wait={actions === null ? 'It cannot be sent now.' : busy ? 'It can be sent when the answer is over.' : null}
          save={(text) => actions?.edit(message.id, text)}
          close={end}
          left={(text) => actions?.left(text)}
        />
      ) : (
        <div class="jdc-bubble">
          {/* As it was written: a person's text is no Markdown. */}
          {(edited ? [edited.text] : texts).map((text, index) => (
            <div key={index} class="jdc-text" dir="auto">
              {text}
            </div>
          ))}
          {message.parts.map((part, index) => part.type !== 'text' && <PartView key={index} part={part} running={false} />)}
        </div>
      )}
      {edited && actions && <Unsent item={edited} actions={actions} />}
      {actions && !editing && !edited && (
        <footer class="jdc-asked">
          {texts.length > 0 && (
            <IconButton icon="edit" class="jdc-edit" label="Edit message" disabled={busy} button={button} onClick={begin} />
          )}
          <Versions {...props} actions={actions} />
        </footer>
      )}
    </article>
  )
}

function Answer(props: Props) {
  const { message, running, live, last, actions, busy } = props
  const { id, parts, metadata } = message
  return (
    <article
      class="jdc-message"
      data-message-id={id}
      data-role="assistant"
      data-outcome={metadata.outcome}
      aria-label="Assistant"
      aria-busy={running}
    >
      {parts.map((part, index) => (
        <PartView key={index} part={part} running={running} />
      ))}
      {running && isWaiting(parts) && <Waiting live={live} />}
      <Outcome metadata={metadata} running={running}>
        {/* Going on from an earlier answer would hide what follows it. */}
        {actions && last && canContinue(message) && hasText(message) && (
          <button type="button" class="jdc-continue jdc-button" disabled={busy} onClick={() => actions.goOn(id)}>
            <Icon name="play" /> Continue
          </button>
        )}
      </Outcome>
      {!running && (
        <Facts message={message}>
          {actions && (
            <>
              <IconButton icon="retry" class="jdc-retry" label="Retry" disabled={busy} onClick={() => actions.retry(id)} />
              <Versions {...props} actions={actions} />
            </>
          )}
        </Facts>
      )}
    </article>
  )
}

/** Which version this is, and the way to those beside it. */
function Versions({ message, version, versions, previous, next, actions, busy }: Props & { actions: MessageActions }) {
  const element = useRef<HTMLDivElement>(null)
  useLayoutEffect(() => {
    // Who stepped here with the button of the version before can step on.
    const step = actions.shownBy(message.id)
    if (!step || !element.current) return
    const buttons = [...element.current.querySelectorAll<HTMLButtonElement>('button:enabled')]
    const button = step === 'previous' ? buttons[0] : buttons.at(-1)
    button?.focus({ preventScroll: true })
    element.current.scrollIntoView({ block: 'nearest' })
  }, [])
  if (versions < 2) return null
  const go = (id: string | null, step: Step) => id !== null && actions.show(id, step)
  return (
    <div class="jdc-versions" role="group" aria-label={`Version ${version} of ${versions}`} ref={element}>
      <IconButton icon="back" label="Previous version" disabled={busy || !previous} onClick={() => go(previous, 'previous')} />
      <span aria-hidden="true">
        {version}/{versions}
      </span>
      <IconButton icon="chevron" label="Next version" disabled={busy || !next} onClick={() => go(next, 'next')} />
    </div>
  )
}

function hasText({ parts }: UIMessage): boolean {
  return parts.some((part) => part.type === 'text' && part.text !== '')
}

/** Nothing that is drawn shows that more is coming. */
function isWaiting(parts: Part[]): boolean {
  const last = parts.at(-1)
  if (!last) return true
  if (last.type === 'text' || last.type === 'reasoning') return last.state !== 'streaming' || !last.text
  return last.type !== 'dynamic-tool' || last.state.startsWith('output-')
}

function Waiting({ live }: { live: boolean }) {
  return (
    <div class={live ? 'jdc-waiting jdc-live' : 'jdc-waiting'} role="img" aria-label="The answer is on its way">
      <i />
      <i />
      <i />
    </div>
  )
}

interface OutcomeProps {
  metadata: Metadata
  running: boolean
  /** What can be done about it. */
  children: ComponentChildren
}

function Outcome({ metadata: { outcome, error }, running, children }: OutcomeProps) {
  if (running || outcome === 'completed') return null
  return (
    <div class="jdc-ending">
      <Banner {...bannerOf(outcome, error?.text)} />
      {children}
    </div>
  )
}

interface BannerProps {
  kind: string
  icon: 'stop' | 'warn' | 'cut' | 'pause'
  title: string
  text: string | undefined
}

function bannerOf(outcome: Metadata['outcome'], why: string | undefined): BannerProps {
  switch (outcome) {
    case 'stopped':
      return { kind: outcome, icon: 'stop', title: 'Stopped', text: why }
    case 'failed':
      return { kind: outcome, icon: 'warn', title: 'The answer failed', text: why }
    case 'truncated':
      return { kind: outcome, icon: 'cut', title: 'Cut off', text: why ?? 'The stream ended before the model said that it was done.' }
    case 'interrupted':
      return { kind: outcome, icon: 'pause', title: 'Interrupted', text: why ?? 'The server went away during this answer. What had arrived is kept.' }
    default:
      return { kind: 'unknown', icon: 'pause', title: 'Unfinished', text: 'The answer was still coming when this copy was saved.' }
  }
}

function Banner({ kind, icon, title, text }: BannerProps) {
  return (
    <div class="jdc-outcome" data-kind={kind} role="note">
      <Icon name={icon} />
      <span>
        <b>{title}</b>
        {text && <span class="jdc-why">{text}</span>}
      </span>
    </div>
  )
}

/** Who answered, how many tokens, how long; and what can be done with the answer. */
function Facts({ message: { parts, metadata }, children }: { message: UIMessage; children: ComponentChildren }) {
  const texts = parts.flatMap((part) => (part.type === 'text' ? [part.text] : []))
  const { model, agent, usage, at, finished_at: end } = metadata
  // One that was gone on with took its time more than once.
  const seconds = at && end && !metadata.continued ? (Date.parse(end) - Date.parse(at)) / 1000 : Number.NaN
  const facts = [
    model ?? agent ?? '',
    usage?.['output_tokens'] ? `${(usage['output_tokens'] ?? 0).toLocaleString()} tokens` : '',
    seconds >= 0 ? `${seconds < 10 ? seconds.toFixed(1) : Math.round(seconds)} s` : '',
  ]
  const details = Object.entries(usage ?? {}).map(([kind, count]) => `${count.toLocaleString()} ${kind.replaceAll('_', ' ')}`)
  return (
    <footer class="jdc-facts" title={[end && new Date(end).toLocaleString(), ...details].filter(Boolean).join('\n')}>
      {texts.length > 0 && <CopyAnswer text={texts.join('\n\n')} />}
      {children}
      <span>{facts.filter(Boolean).join(' · ')}</span>
    </footer>
  )
}

function CopyAnswer({ text }: { text: string }) {
  const [copied, setCopied] = useState(false)
  const copy = async () => {
    setCopied(await copyText(text))
    setTimeout(() => setCopied(false), 1500)
  }
  return <IconButton icon={copied ? 'check' : 'copy'} class="jdc-copy-answer" label="Copy answer" onClick={() => void copy()} />
}
