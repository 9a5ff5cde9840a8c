/** How an answer ended that is not complete: what happened, and what helps. */

import type { ComponentChildren } from 'preact'
import type { Metadata } from '../transcript'
import { words } from '../words'
import { Icon } from './Icon'
import { authorName } from './Person'
import { readable } from './Readable'

/** Categories of errors that another model, or another provider's, may not have. */
const OF_THE_MODEL = new Set(['auth', 'rate', 'refused', 'too-long', 'provider'])

/** What is offered right where it is said what happened; anything else is below, as it is for every answer. */
export function helpsOf({ outcome, error }: Metadata): { retry: boolean; other: boolean } {
  if (outcome === 'interrupted' || outcome === 'truncated') return { retry: true, other: false }
  if (outcome !== 'failed' || !error) return { retry: false, other: false }
  return { retry: error.recoverable === true, other: OF_THE_MODEL.has(error.category) }
}

/** `signed`: who stopped it is said. `children`: what can be done about it. */
export function Ending({ metadata, signed, children }: { metadata: Metadata; signed: boolean; children: ComponentChildren }) {
  const { kind, icon, title, text } = bannerOf(metadata, signed)
  const hint = hintOf(metadata)
  return (
    <div class="jdc-ending">
      <div class="jdc-outcome" data-kind={kind} role="note">
        <Icon name={icon} />
        <span>
          <b>{title}</b>
          {text && <span class="jdc-why">{withSettings(text)}</span>}
          {hint && <span class="jdc-hint-of-error">{hint}</span>}
        </span>
      </div>
      <div class="jdc-offers">{children}</div>
    </div>
  )
}

interface BannerProps {
  kind: string
  icon: 'stop' | 'warn' | 'cut' | 'pause'
  title: ComponentChildren
  text: string | undefined
}

function bannerOf({ outcome, error, stopped_by: by }: Metadata, signed: boolean): BannerProps {
  const why = error?.text
  const isBudget = error?.category === 'budget'
  switch (outcome) {
    case 'stopped':
      return { kind: outcome, icon: 'stop', title: signed && by ? readable(words.stoppedBy(authorName(by))) : words.outcomes.stopped, text: why }
    case 'failed':
      return { kind: outcome, icon: 'warn', title: isBudget ? words.budgetSpent : words.outcomes.failed, text: why }
    case 'truncated':
      return { kind: outcome, icon: 'cut', title: words.outcomes.truncated, text: why ?? words.whyTruncated }
    case 'interrupted':
      return { kind: outcome, icon: 'pause', title: words.outcomes.interrupted, text: why ?? words.whyInterrupted }
    default:
      return { kind: 'unknown', icon: 'pause', title: words.outcomes.unknown, text: words.whyUnfinished }
  }
}

/** What the text of the error does not say. */
function hintOf({ outcome, error }: Metadata): string {
  if (outcome !== 'failed' || !error) return ''
  if (error.category === 'too-long') return words.helpTooLong
  const isSetting = ['auth', 'internal', 'network'].includes(error.category) && new RegExp(SETTING).test(error.text)
  return isSetting ? words.helpSetting : ''
}

/** A name of the configuration, or of the environment. */
const SETTING = /((?:\bc\.)?\bDurableChat\.\w+(?:\[[^\]\s]{1,80}\])?|\b[A-Z][A-Z0-9]+(?:_[A-Z0-9]+)+\b)/

/** The text, with the names of settings as what one types. */
function withSettings(text: string): ComponentChildren {
  return text.split(new RegExp(SETTING, 'g')).map((piece, index) => (index % 2 ? <code key={index}>{piece}</code> : piece))
}
