/** One message, and what became of it. */

import { useEffect, useLayoutEffect, useRef, useState } from 'preact/hooks'
import { canContinue, isOver, type Part, textsOf, type Turn, type UIMessage } from '../transcript'
import { words } from '../words'
import { number } from '../words/numbers'
import { CopyButton } from './CopyButton'
import { useEditing } from './editing'
import { Elapsed } from './Elapsed'
import { Ending, helpsOf } from './Ending'
import { answers, Facts } from './Facts'
import { Icon } from './Icon'
import { IconButton } from './IconButton'
import { Choices, Editor, Forked, Unsent } from './late'
import { memo } from './memo'
import { PartView } from './Parts'
import { authorName, Byline } from './Person'
import { Sources } from './Sources'
import { working } from './times'
import type { Choice, Outgoing } from './types'
import { waits } from './waits'

/** What a person can do with a message that is there. */
export interface MessageActions {
  retry(id: string, choice?: Choice): void
  goOn(id: string): void
  edit(id: string, text: string): void
  /** Show this version, which is one step away from the one that is shown. */
  show(id: string, step: Step): void
  /** The step by which this version came to be shown just now, if a person took one. */
  shownBy(id: string): Step | null
  /** Whether a new chat can go on from here. */
  forks: boolean
  /** A text that was being written and has lost its place. */
  left(text: string): void
  resend(clientId: string): void
  discard(clientId: string): void
}

export type Step = 'previous' | 'next'

interface Props {
  message: UIMessage
  /** Which message of how many it is: most may not be drawn. */
  at: number
  of: number
  /** Its turn, while it runs. */
  turn: Turn | null
  /** And every piece of it is seen as it comes. */
  live: boolean
  /** Who asked it, or stopped it, is said. */
  signed: boolean
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
  /** Of a question: whether its answer is folded; `null`: it cannot be. */
  folded: boolean | null
  fold(question: string, folded: boolean): void
}

export const Message = memo((props: Props) => (props.message.role === 'user' ? <Question {...props} /> : <Answer {...props} />))

function Question(props: Props) {
  const { message, at, of, signed, edited, actions, busy, folded, fold } = props
  const { editing, button, begin, end } = useEditing()
  const texts = textsOf(message)
  const files = message.parts.filter(({ type }) => type !== 'text')
  const author = signed ? message.metadata.author : null
  return (
    <article
      class={edited ? 'jdc-message jdc-outgoing' : 'jdc-message'}
      data-message-id={message.id}
      data-role="user"
      aria-label={author ? authorName(author) : words.you}
      aria-posinset={at}
      aria-setsize={of}
      tabIndex={-1}
    >
      {author && <Byline author={author} />}
      {editing ? (
        <Editor
          text={texts.join('\n\n')}
          label={words.editMessage}
          action={words.send}
          wait={actions === null ? words.editNever : busy ? words.editLater : null}
          save={(text) => actions?.edit(message.id, text)}
          close={end}
          left={(text) => actions?.left(text)}
        />
      ) : (
        <div class="jdc-bubble">
          {/* As it was written: a person's text is no Markdown. */}
          {(edited ? [edited.text] : texts.filter(Boolean)).map((text, index) => (
            <div key={index} class="jdc-text" dir="auto">
              {text}
            </div>
          ))}
          {files.length > 0 && (
            <div class="jdc-files">
              {files.map((part, index) => (
                <PartView key={index} part={part} running={false} />
              ))}
            </div>
          )}
        </div>
      )}
      {edited && actions && <Unsent item={edited} actions={actions} />}
      {!editing && !edited && (texts.length > 0 || folded !== null || actions) && (
        <footer class="jdc-asked">
          {folded !== null && (
            <IconButton
              icon={folded ? 'lower' : 'higher'}
              class="jdc-fold"
              label={folded ? words.unfold : words.fold}
              expanded={!folded}
              onClick={() => fold(message.id, !folded)}
            />
          )}
          {actions && texts.length > 0 && (
            <IconButton icon="edit" class="jdc-edit" label={words.editMessage} disabled={busy} button={button} onClick={begin} />
          )}
          {texts.length > 0 && <CopyButton class="jdc-copy-question" label={words.copyQuestion} text={() => texts.join('\n\n')} />}
          {actions && <Versions {...props} actions={actions} />}
        </footer>
      )}
    </article>
  )
}

function Answer(props: Props) {
  const { message, at, of, turn, live, signed, last, actions, busy } = props
  const running = turn !== null
  const [choosing, setChoosing] = useState(false)
  const [forking, setForking] = useState(false)
  const other = useRef<HTMLButtonElement>(null)
  const fork = useRef<HTMLButtonElement>(null)
  useEffect(() => {
    if (running) setForking(false) // it would be made once more when the answer is over
  }, [running])
  const close = () => {
    setChoosing(false)
    other.current?.focus()
  }
  const { id, parts, metadata } = message
  const helps = helpsOf(metadata)
  const retry = () => actions?.retry(id)
  const choose = () => setChoosing(!choosing)
  return (
    <article
      class="jdc-message"
      data-message-id={id}
      data-role="assistant"
      data-outcome={metadata.outcome}
      aria-label={words.assistant}
      aria-posinset={at}
      aria-setsize={of}
      tabIndex={-1}
    >
      {parts.map((part, index) => (
        <PartView key={index} part={part} running={running} />
      ))}
      <Sources parts={parts} />
      {running && isWaiting(parts) && <Waiting live={live} />}
      {!running && metadata.outcome !== 'completed' && (
        <Ending metadata={metadata} signed={signed}>
          {/* Going on from an earlier answer would hide what follows it. */}
          {actions && last && canContinue(message) && hasText(message) && (
            <button type="button" class="jdc-continue jdc-button" disabled={busy} onClick={() => actions.goOn(id)}>
              <Icon name="play" /> {words.continue}
            </button>
          )}
          {actions && helps.retry && (
            <button type="button" class="jdc-retry jdc-button" disabled={busy} onClick={retry}>
              <Icon name="retry" /> {words.tryAgain}
            </button>
          )}
          {actions && helps.other && (
            <button type="button" class="jdc-retry-with jdc-button" disabled={busy} aria-expanded={choosing} ref={other} onClick={choose}>
              {words.otherModel} <Icon name="lower" />
            </button>
          )}
        </Ending>
      )}
      {turn && <Progress turn={turn} message={message} />}
      {!running && (
        <Facts message={message} last={last}>
          {actions && (
            <>
              {!helps.retry && <IconButton icon="retry" class="jdc-retry" label={words.retry} disabled={busy} onClick={retry} />}
              {!helps.other && (
                <IconButton
                  icon="lower"
                  class="jdc-retry-with"
                  label={words.retryOther}
                  disabled={busy}
                  expanded={choosing}
                  button={other}
                  onClick={choose}
                />
              )}
              {actions.forks && (
                <IconButton
                  icon="fork"
                  class="jdc-fork"
                  label={words.fork}
                  expanded={forking}
                  button={fork}
                  onClick={() => setForking(!forking)}
                />
              )}
              <Versions {...props} actions={actions} />
            </>
          )}
        </Facts>
      )}
      {forking && actions && !running && (
        <Forked
          message={id}
          close={() => {
            setForking(false)
            fork.current?.focus()
          }}
        />
      )}
      {choosing && actions && !running && !busy && (
        <Choices
          label={words.retryWith}
          chosen={null}
          pick={(choice) => {
            setChoosing(false)
            actions.retry(id, choice)
          }}
          close={close}
        />
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
    <div class="jdc-versions" role="group" aria-label={words.version(number(version), number(versions))} ref={element}>
      <IconButton icon="back" label={words.previousVersion} disabled={busy || !previous} onClick={() => go(previous, 'previous')} />
      <span aria-hidden="true">
        {version}/{versions}
      </span>
      <IconButton icon="chevron" label={words.nextVersion} disabled={busy || !next} onClick={() => go(next, 'next')} />
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
  if (last.type === 'reasoning') return last.state !== 'streaming' || !(last.text || last.started)
  if (last.type === 'text') return last.state !== 'streaming' || !last.text
  return (last.type !== 'dynamic-tool' || isOver(last)) && !parts.some((part) => part.type === 'dynamic-tool' && waits(part))
}

function Waiting({ live }: { live: boolean }) {
  return (
    <div class={live ? 'jdc-waiting jdc-live' : 'jdc-waiting'} role="img" aria-label={words.answerComes}>
      <i />
      <i />
      <i />
    </div>
  )
}

/** Who answers, and since when, from the server's own start: whoever comes later sees the same time. */
function Progress({ turn, message }: { turn: Turn; message: UIMessage }) {
  return (
    <footer class="jdc-facts">
      <span>{answers(message)}</span>
      <Elapsed {...working(turn, message)} />
    </footer>
  )
}
