/** Whether a call may be run: asked in its place, answered once, and afterwards by whom. */

import { useContext, useId, useState } from 'preact/hooks'
import type { ToolApproval, ToolPart } from '../transcript'
import { words } from '../words'
import { clock } from '../words/numbers'
import { Desk } from './desk'
import { Icon } from './Icon'
import { keepFocus } from './focus'
import { isComposing } from './keys'
import { authorName } from './Person'
import { readable } from './Readable'
import { nameOf } from './waits'

export function ApprovalForm({ part, approval }: { part: ToolPart; approval: ToolApproval }) {
  const actions = useContext(Desk)
  const asked = useId()
  const [reason, setReason] = useState('')
  const [said, setSaid] = useState(false)
  const { id, scope, deadline } = approval
  const name = nameOf(part)
  const say = async (approved: boolean, from: Element) => {
    if (!actions || said) return
    keepFocus(from)
    setSaid(true)
    if (!(await actions.approve(id, approved, approved ? undefined : reason.trim()))) setSaid(false)
  }
  return (
    <div class="jdc-approval" data-approval-id={id} role="group" aria-label={words.approvalOf(name)}>
      <div id={asked} class="jdc-approval-words">
        <b>{readable(words.allowQuestion(name))}</b>
        {scope === 'session' && <span> {words.allowsSession}</span>}
        {deadline && <span> {words.deniedAt(clock(deadline))}</span>}
      </div>
      {actions && (
        <div class="jdc-approval-actions">
          <button
            type="button"
            class="jdc-approve jdc-button jdc-primary"
            aria-describedby={asked}
            disabled={said}
            onClick={(event) => void say(true, event.currentTarget)}
          >
            <Icon name="check" /> {scope === 'session' ? words.allowSession : words.allow}
          </button>
          <button
            type="button"
            class="jdc-deny jdc-button"
            aria-describedby={asked}
            disabled={said}
            onClick={(event) => void say(false, event.currentTarget)}
          >
            <Icon name="cross" /> {words.deny}
          </button>
          <input
            class="jdc-reason jdc-field"
            type="text"
            value={reason}
            maxLength={1000}
            placeholder={words.whyNot}
            aria-label={words.whyDenied(name)}
            disabled={said}
            onInput={(event) => setReason(event.currentTarget.value)}
            onKeyDown={(event) => {
              if (event.key !== 'Enter' || isComposing(event)) return
              event.preventDefault()
              void say(false, event.currentTarget)
            }}
          />
        </div>
      )}
    </div>
  )
}

/** What was said, and by whom. */
export function approvalWords({ approved, scope, reason, by }: ToolApproval): string {
  if (approved === undefined) return ''
  const who = by ? authorName(by) : ''
  const what = approved ? (scope === 'session' ? words.allowedSession(who) : words.allowed(who)) : words.denied(who)
  return reason ? `${what}: ${reason}` : what
}
