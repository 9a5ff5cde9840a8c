/** A plan that the person approves, changes or cancels before anything is done; and the plan of an agent of its own. */

import { useContext, useLayoutEffect, useRef, useState } from 'preact/hooks'
import { isRecord } from '../restore'
import { isOver, type ToolPart } from '../transcript'
import { words } from '../words'
import { Card } from './Card'
import { Desk } from './desk'
import { grow } from './editing'
import { keepFocus } from './focus'
import { Fold } from './Fold'
import { Icon, type IconName } from './Icon'
import { isComposing } from './keys'
import { Text } from './Text'

interface Plan {
  title: string
  text: string
}

const text = (value: unknown) => (typeof value === 'string' ? value : '')

/** The plan in a call's arguments; `null` while it is not there. */
export function planOf(input: unknown): Plan | null {
  if (!isRecord(input) || typeof input['plan'] !== 'string') return null
  return { title: text(input['title']), text: input['plan'] }
}

export function PlanCard({ part, plan, running }: { part: ToolPart; plan: Plan; running: boolean }) {
  const asks = running && !isOver(part) && part.waitsFor === 'person'
  const output = isRecord(part.output) ? part.output : {}
  const decided = new Map(Object.entries(words.decisions)).get(text(output['decision']))
  const became = asks ? '' : (decided ?? (part.errorText ? words.notDecidedWhy(part.errorText) : running ? words.onItsWay : words.notDecided))
  return (
    <Card part={part} class="jdc-plan">
      <Fold
        class="jdc-plan-fold"
        open={asks}
        summary={
          <>
            <Icon name="plan" />
            <span class="jdc-tool-title">{plan.title ? words.planNamed(plan.title) : words.plan}</span>
            <span class="jdc-tool-state" data-waits={asks ? 'person' : ''}>
              {asks ? words.planWaits : became}
              {decided && <Icon name={output['decision'] === 'cancel' ? 'cross' : 'check'} />}
            </span>
          </>
        }
      >
        {() => <Text text={plan.text} done />}
      </Fold>
      {asks && <Decision part={part} />}
      {text(output['text']) && <p class="jdc-tool-note jdc-plan-said">{text(output['text'])}</p>}
    </Card>
  )
}

function Decision({ part: { toolCallId } }: { part: ToolPart }) {
  const actions = useContext(Desk)
  const [draft, setDraft] = useState('')
  const [said, setSaid] = useState(false)
  const area = useRef<HTMLTextAreaElement>(null)
  useLayoutEffect(() => grow(area.current), [draft])
  if (!actions) return null
  const say = async (output: unknown, from: Element) => {
    if (said) return
    keepFocus(from)
    setSaid(true)
    if (!(await actions.answerCall(toolCallId, output))) setSaid(false)
  }
  const change = (from: Element) => {
    if (draft.trim()) void say({ decision: 'change', text: draft.trim() }, from)
  }
  return (
    <div
      class="jdc-plan-foot"
      role="group"
      aria-label={words.planBecomes}
      onKeyDown={(event) => {
        if (event.key === 'Escape') event.stopPropagation() // Esc stops no answer while one is being thought of
      }}
    >
      <textarea
        ref={area}
        class="jdc-field jdc-plan-text"
        rows={1}
        value={draft}
        placeholder={words.planDifferent}
        aria-label={words.planDifferent}
        dir="auto"
        disabled={said}
        onInput={(event) => setDraft(event.currentTarget.value)}
        onKeyDown={(event) => {
          if (event.key !== 'Enter' || event.shiftKey || event.altKey || isComposing(event)) return
          event.preventDefault()
          change(event.currentTarget)
        }}
      />
      <button
        type="button"
        class="jdc-plan-approve jdc-button jdc-primary"
        disabled={said}
        onClick={(event) => void say({ decision: 'approve' }, event.currentTarget)}
      >
        <Icon name="check" /> {words.planApprove}
      </button>
      <button
        type="button"
        class="jdc-plan-change jdc-button"
        disabled={said || !draft.trim()}
        title={words.planChangeHow}
        onClick={(event) => change(event.currentTarget)}
      >
        {words.planChange}
      </button>
      <span class="jdc-space" />
      <button
        type="button"
        class="jdc-plan-cancel jdc-button"
        disabled={said}
        onClick={(event) => void say({ decision: 'cancel' }, event.currentTarget)}
      >
        {words.cancel}
      </button>
    </div>
  )
}

function statusOf(status: string): { icon: IconName; label: string } {
  if (status === 'completed') return { icon: 'check', label: words.entryDone }
  return status === 'in_progress' ? { icon: 'play', label: words.entryGoing } : { icon: 'dot', label: words.entryOpen }
}

/** What an agent says that it will do, and how far it is: `[{content, status}]`, or that as `entries`. */
export function Entries({ data }: { data: unknown }) {
  const listed = isRecord(data) ? data['entries'] : data
  const entries = Array.isArray(listed) ? listed.filter(isRecord).slice(0, 100) : []
  if (entries.length === 0) return null
  return (
    <ul class="jdc-entries" aria-label={words.plan}>
      {entries.map(({ content, status }, index) => {
        const { icon, label } = statusOf(text(status))
        return (
          <li key={index} data-status={text(status)}>
            <Icon name={icon} />
            <span>{text(content)}</span>
            <span class="jdc-unseen">{label}</span>
          </li>
        )
      })}
    </ul>
  )
}
