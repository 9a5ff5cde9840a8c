/** One message, and what became of it. */

import { useState } from 'preact/hooks'
import type { Metadata, Part, UIMessage } from '../transcript'
import { copyText } from './clipboard'
import { Icon } from './Icon'
import { memo } from './memo'
import { PartView } from './Parts'
import type { Outgoing } from './types'

interface Props {
  message: UIMessage
  /** Its turn runs. */
  running: boolean
  /** And every piece of it is seen as it comes. */
  live: boolean
}

export const Message = memo(({ message, running, live }: Props) =>
  message.role === 'user' ? <Question message={message} /> : <Answer message={message} running={running} live={live} />,
)

function Question({ message }: { message: UIMessage }) {
  const { author } = message.metadata
  return (
    <article class="jdc-message" data-message-id={message.id} data-role="user" aria-label={author?.name || 'You'}>
      <div class="jdc-bubble">
        {message.parts.map((part, index) =>
          // As it was written: a person's text is no Markdown.
          part.type === 'text' ? (
            <div class="jdc-text" dir="auto">
              {part.text}
            </div>
          ) : (
            <PartView key={index} part={part} running={false} />
          ),
        )}
      </div>
    </article>
  )
}

function Answer({ message, running, live }: Props) {
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
      <Outcome metadata={metadata} running={running} />
      {!running && <Facts message={message} />}
    </article>
  )
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

function Outcome({ metadata: { outcome, error }, running }: { metadata: Metadata; running: boolean }) {
  if (running || outcome === 'completed') return null
  if (outcome === 'stopped') return <Banner kind="stopped" icon="stop" title="Stopped" text={error?.text} />
  if (outcome === 'failed') return <Banner kind="failed" icon="warn" title="The answer failed" text={error?.text} />
  if (outcome === 'truncated') {
    const text = error?.text ?? 'The stream ended before the model said that it was done.'
    return <Banner kind="truncated" icon="cut" title="Cut off" text={text} />
  }
  if (outcome === 'interrupted') {
    const text = error?.text ?? 'The server went away during this answer. What had arrived is kept.'
    return <Banner kind="interrupted" icon="pause" title="Interrupted" text={text} />
  }
  return <Banner kind="unknown" icon="pause" title="Unfinished" text="The answer was still coming when this copy was saved." />
}

interface BannerProps {
  kind: string
  icon: 'stop' | 'warn' | 'cut' | 'pause'
  title: string
  text: string | undefined
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

/** Who answered, how many tokens, how long; and a copy of the answer. */
function Facts({ message: { parts, metadata } }: { message: UIMessage }) {
  const texts = parts.flatMap((part) => (part.type === 'text' ? [part.text] : []))
  const { model, agent, usage, at, finished_at: end } = metadata
  const seconds = at && end ? (Date.parse(end) - Date.parse(at)) / 1000 : Number.NaN
  const facts = [
    model ?? agent ?? '',
    usage?.['output_tokens'] ? `${(usage['output_tokens'] ?? 0).toLocaleString()} tokens` : '',
    seconds >= 0 ? `${seconds < 10 ? seconds.toFixed(1) : Math.round(seconds)} s` : '',
  ]
  const details = Object.entries(usage ?? {}).map(([kind, count]) => `${count.toLocaleString()} ${kind.replaceAll('_', ' ')}`)
  return (
    <footer class="jdc-facts" title={[end && new Date(end).toLocaleString(), ...details].filter(Boolean).join('\n')}>
      {texts.length > 0 && <CopyAnswer text={texts.join('\n\n')} />}
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
  return (
    <button type="button" class="jdc-quiet" aria-label="Copy answer" title="Copy answer" onClick={() => void copy()}>
      <Icon name={copied ? 'check' : 'copy'} />
    </button>
  )
}

interface OutgoingProps {
  item: Outgoing
  resend(clientId: string): void
  discard(clientId: string): void
}

/** A message that is on its way to the server, or did not get there. */
export function OutgoingMessage({ item: { clientId, text, error }, resend, discard }: OutgoingProps) {
  return (
    <article class="jdc-message jdc-outgoing" data-client-id={clientId} data-role="user" aria-label="You">
      <div class="jdc-bubble">
        <div class="jdc-text" dir="auto">
          {text}
        </div>
      </div>
      {error === null ? (
        <div class="jdc-sending">Sending…</div>
      ) : (
        <div class="jdc-unsent" role="alert">
          <span>Not sent. {error}</span>
          <button type="button" class="jdc-link" onClick={() => resend(clientId)}>
            Send again
          </button>
          <button type="button" class="jdc-link" onClick={() => discard(clientId)}>
            Discard
          </button>
        </div>
      )}
    </article>
  )
}
