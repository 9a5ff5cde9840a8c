/** Whether a call may be run: asked in its place, answered once, and afterwards by whom. */

import { useContext, useId, useState } from 'preact/hooks'
import type { ToolApproval, ToolPart } from '../transcript'
import { clock, nameOf, personName } from './calls'
import { Desk } from './desk'
import { Icon } from './Icon'
import { keepFocus } from './focus'

export function ApprovalForm({ part, approval }: { part: ToolPart; approval: ToolApproval }) {
  const actions = useContext(Desk)
  const words = useId()
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
    <div class="jdc-approval" data-approval-id={id} role="group" aria-label={`Approval of ${name}`}>
      <div id={words} class="jdc-approval-words">
        <b>Allow {name}?</b>
        {scope === 'session' && <span> Then it may run again in this chat without being asked for.</span>}
        {deadline && <span> Without an answer by {clock(deadline)}, it is denied.</span>}
      </div>
      {actions && (
        <div class="jdc-approval-actions">
          <button
            type="button"
            class="jdc-approve jdc-button jdc-primary"
            aria-describedby={words}
            disabled={said}
            onClick={(event) => void say(true, event.currentTarget)}
          >
            <Icon name="check" /> {scope === 'session' ? 'Allow for this chat' : 'Allow'}
          </button>
          <button
            type="button"
            class="jdc-deny jdc-button"
            aria-describedby={words}
            disabled={said}
            onClick={(event) => void say(false, event.currentTarget)}
          >
            <Icon name="cross" /> Deny
          </button>
          <input
            class="jdc-reason jdc-field"
            type="text"
            value={reason}
            maxLength={1000}
            placeholder="Why not (optional)"
            aria-label={`Why ${name} is denied (optional)`}
            disabled={said}
            onInput={(event) => setReason(event.currentTarget.value)}
            onKeyDown={(event) => {
              if (event.key !== 'Enter' || event.isComposing) return
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
  const what = approved ? (scope === 'session' ? 'Allowed for this chat' : 'Allowed') : 'Denied'
  return `${what}${by ? ` by ${personName(by)}` : ''}${reason ? `: ${reason}` : ''}`
}
