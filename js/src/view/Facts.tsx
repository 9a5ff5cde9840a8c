/** What there is to know of an answer, in a line: who, how much, at what cost, how long, how full. Pressed, all of it. */

import type { ComponentChildren } from 'preact'
import { useState } from 'preact/hooks'
import { textsOf, type UIMessage } from '../transcript'
import { words } from '../words'
import { dollars, duration, moment, number, percent } from '../words/numbers'
import { CopyButton } from './CopyButton'
import { worked } from './times'

export function answers({ metadata: { model, agent, effort } }: UIMessage): string {
  return [model ?? agent ?? '', effort].filter(Boolean).join(', ')
}

/** Who answered, how many tokens, at what cost, how long; and what can be done with the answer. */
export function Facts({ message, last, children }: { message: UIMessage; last: boolean; children: ComponentChildren }) {
  const [open, setOpen] = useState(false)
  const { metadata } = message
  const texts = textsOf(message)
  const { mode, usage = {}, context, finished_at: end } = metadata
  const { cost_usd: cost, ...tokens } = usage
  const took = worked(message)
  const full = context?.window ? Math.ceil((100 * context.tokens) / context.window) / 100 : 0
  const facts = [
    answers(message),
    mode === 'ask' || mode === 'plan' ? words.inMode[mode] : '',
    usage['output_tokens'] ? words.tokens(number(usage['output_tokens'])) : '',
    cost === undefined ? '' : dollars(cost),
    full > 0 ? words.contextFull(percent(full)) : '',
    took >= 0 ? duration(took) : '',
  ]
  const details = Object.entries(tokens).map(([kind, count]) => words.tokensOf(number(count), kind))
  if (context) {
    const count = number(context.tokens)
    details.push(context.window ? words.inContextOf(count, number(context.window)) : words.inContext(count))
  }
  if (end) details.unshift(moment(end))
  const line = facts.filter(Boolean).join(' · ')
  return (
    <>
      <footer class="jdc-facts">
        {texts.length > 0 && <CopyButton class="jdc-copy-answer" label={words.copyAnswer} text={() => texts.join('\n\n')} />}
        {children}
        {details.length === 0 && <span>{line}</span>}
        {details.length > 0 && (
          <button
            type="button"
            class="jdc-fact-line"
            title={details.join('\n')}
            aria-expanded={open}
            onClick={() => setOpen(!open)}
          >
            {line}
          </button>
        )}
        {full >= MUCH && <Meter full={full} />}
      </footer>
      {open && (
        <ul class="jdc-details">
          {details.map((detail) => (
            <li key={detail}>{detail}</li>
          ))}
        </ul>
      )}
      {last && full >= NEARLY_ALL && <p class="jdc-nearly-full">{words.nearlyFull(percent(full))}</p>}
    </>
  )
}

/** From here on it is worth a look, worth a warning, and time to do something. */
const MUCH = 0.5
const TOO_MUCH = 0.8
const NEARLY_ALL = 0.9

function Meter({ full }: { full: number }) {
  const share = Math.min(1, full)
  return (
    <span
      class="jdc-meter"
      role="meter"
      aria-label={words.context}
      aria-valuemin={0}
      aria-valuemax={100}
      aria-valuenow={Math.round(100 * share)}
      data-tone={full >= TOO_MUCH ? 'warn' : undefined}
    >
      <i style={{ width: `${100 * share}%` }} />
    </span>
  )
}
