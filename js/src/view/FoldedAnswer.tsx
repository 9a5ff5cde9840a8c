/** An answer in one line: how it begins, and what became of it. */

import { textsOf, type UIMessage } from '../transcript'
import { words } from '../words'
import { CopyButton } from './CopyButton'
import { Icon } from './Icon'
import { memo } from './memo'
import { firstWords } from './turns'

interface Props {
  message: UIMessage
  /** Which message of how many it is. */
  at: number
  of: number
  running: boolean
  question: string
  fold(question: string, folded: boolean): void
}

export const FoldedAnswer = memo(({ message, at, of, running, question, fold }: Props) => {
  const { id, parts, metadata } = message
  const { outcome } = metadata
  const isComplete = outcome === 'completed'
  const texts = textsOf(message)
  return (
    <article
      class="jdc-message jdc-folded-answer"
      data-message-id={id}
      data-role="assistant"
      data-outcome={outcome}
      aria-label={words.assistant}
      aria-posinset={at}
      aria-setsize={of}
      tabIndex={-1}
    >
      <button type="button" class="jdc-unfold" aria-expanded="false" title={words.unfold} onClick={() => fold(question, false)}>
        <Icon name="chevron" />
        <span class={running ? 'jdc-first-words jdc-shimmer' : 'jdc-first-words'} dir="auto">
          {firstWords(parts) || (running ? words.answering : words.noText)}
        </span>
        {!running && !isComplete && <span class="jdc-turn-mark">{words.outcomes[outcome ?? 'unknown']}</span>}
      </button>
      {!running && texts.length > 0 && (
        <CopyButton class="jdc-copy-answer" label={words.copyAnswer} text={() => texts.join('\n\n')} />
      )}
    </article>
  )
})
