/** Questions to the person, one step each: chosen, written, declined or cancelled; and afterwards what was answered. */

import { useContext, useId, useLayoutEffect, useRef, useState } from 'preact/hooks'
import { isOver, type ToolPart } from '../transcript'
import { words } from '../words'
import { number } from '../words/numbers'
import {
  actionOf,
  type Answer,
  answerOf,
  answersOf,
  type Draft,
  NO_DRAFT,
  problemOf,
  type Question,
  wordsBefore,
} from './answers'
import { Card } from './Card'
import { Desk } from './desk'
import { grow } from './editing'
import { keepFocus } from './focus'
import { Icon } from './Icon'
import { isComposing } from './keys'

interface Props {
  part: ToolPart
  questions: Question[]
  running: boolean
}

export function QuestionsCard({ part, questions, running }: Props) {
  const asks = running && !isOver(part) && part.waitsFor === 'person'
  return (
    <Card part={part} class="jdc-asking">
      {asks ? <Form part={part} questions={questions} /> : <Answered part={part} questions={questions} running={running} />}
    </Card>
  )
}

function Form({ part, questions }: Omit<Props, 'running'>) {
  const { toolCallId, input } = part
  const actions = useContext(Desk)
  const [drafts, setDrafts] = useState<ReadonlyMap<string, Draft>>(new Map())
  const [at, setAt] = useState(0)
  const [said, setSaid] = useState(false)
  const [problem, setProblem] = useState('')
  const form = useRef<HTMLFormElement>(null)
  const question = questions[Math.min(at, questions.length - 1)] as Question
  const last = at >= questions.length - 1
  const draftOf = ({ id }: Question) => drafts.get(id) ?? NO_DRAFT
  const stepped = useRef(false)
  useLayoutEffect(() => {
    // Who went to another question goes on there.
    if (stepped.current) form.current?.querySelector<HTMLElement>('input, textarea')?.focus({ preventScroll: true })
    stepped.current = false
  }, [at])

  const go = (to: number) => {
    stepped.current = true
    setProblem('')
    setAt(to)
  }
  const say = async (output: unknown) => {
    if (!actions || said) return
    if (form.current) keepFocus(form.current)
    setSaid(true)
    if (!(await actions.answerCall(toolCallId, output))) setSaid(false)
  }
  const submit = () => {
    const why = problemOf(question, draftOf(question))
    setProblem(why)
    if (why) return
    if (!last) return go(at + 1)
    const missing = questions.findIndex((one) => problemOf(one, draftOf(one)))
    if (missing >= 0) return go(missing)
    const answers: Record<string, Answer> = {}
    for (const one of questions) {
      const answer = answerOf(one, draftOf(one))
      if (answer !== undefined) Object.defineProperty(answers, one.id, { value: answer, enumerable: true })
    }
    void say({ action: 'accept', answers })
  }
  const before = wordsBefore(input)
  return (
    <form
      ref={form}
      class="jdc-questions"
      data-call-id={toolCallId}
      aria-label={questions.length > 1 ? words.questionOf(number(at + 1), number(questions.length)) : words.question}
      noValidate
      onSubmit={(event) => {
        event.preventDefault()
        submit()
      }}
      onKeyDown={(event) => {
        if (event.key === 'Escape') event.stopPropagation() // Esc stops no answer while one is being thought of
      }}
    >
      {before && at === 0 && <p class="jdc-questions-before">{before}</p>}
      <Field
        key={question.id}
        question={question}
        step={questions.length > 1 ? words.stepOf(number(at + 1), number(questions.length)) : ''}
        draft={draftOf(question)}
        problem={problem}
        disabled={said || !actions}
        change={(draft) => {
          setProblem('')
          setDrafts(new Map(drafts).set(question.id, draft))
        }}
        submit={submit}
      />
      {actions && (
        <div class="jdc-questions-foot">
          {at > 0 && (
            <button type="button" class="jdc-back jdc-button" disabled={said} onClick={() => go(at - 1)}>
              {words.back}
            </button>
          )}
          <button type="submit" class={`${last ? 'jdc-answer' : 'jdc-next'} jdc-button jdc-primary`} disabled={said}>
            {last ? words.send : words.next}
          </button>
          <span class="jdc-space" />
          <button
            type="button"
            class="jdc-decline jdc-button"
            title={words.declineDoes}
            disabled={said}
            onClick={() => void say({ action: 'decline' })}
          >
            {words.decline}
          </button>
          <button
            type="button"
            class="jdc-cancel-questions jdc-button"
            title={words.cancelDoes}
            disabled={said}
            onClick={() => void say({ action: 'cancel' })}
          >
            {words.cancel}
          </button>
        </div>
      )}
    </form>
  )
}

interface FieldProps {
  question: Question
  /** Which of how many it is; nothing when it is the only one. */
  step: string
  draft: Draft
  problem: string
  disabled: boolean
  change(draft: Draft): void
  submit(): void
}

function Field({ question, step, draft, problem, disabled, change, submit }: FieldProps) {
  const id = useId()
  const { header, multiple, kind, freeText } = question
  const isYesOrNo = question.options.length === 0 && kind === 'boolean'
  const options = isYesOrNo ? [words.yes, words.no].map((label) => ({ label, description: '' })) : question.options
  const writes = options.length === 0 || (freeText && !isYesOrNo)
  const choose = (label: string, on: boolean) => {
    if (!multiple) return change({ chosen: [label], text: '' })
    const labels = options.map((option) => option.label)
    change({ ...draft, chosen: labels.filter((one) => (one === label ? on : draft.chosen.includes(one))) })
  }
  const write = (text: string) => change({ chosen: multiple || !text ? draft.chosen : [], text })
  return (
    <fieldset
      class="jdc-question"
      aria-describedby={problem ? `${id}-problem` : undefined}
      {...(options.length > 0 && !multiple ? { role: 'radiogroup', 'aria-required': question.required } : {})}
    >
      <legend>
        {(header || step) && (
          <span class="jdc-question-head">
            <Icon name="ask" />
            {header}
            {step && <span class="jdc-question-step">{step}</span>}
          </span>
        )}
        <span class="jdc-question-text" dir="auto">
          {question.question}
        </span>
      </legend>
      {options.map(({ label, description }) => (
        <label key={label} class="jdc-option">
          <input
            type={multiple ? 'checkbox' : 'radio'}
            name={id}
            checked={draft.chosen.includes(label)}
            disabled={disabled}
            onChange={(event) => choose(label, event.currentTarget.checked)}
          />
          <span>
            <span class="jdc-option-label" dir="auto">
              {label}
            </span>
            {description && <span class="jdc-option-description">{description}</span>}
          </span>
        </label>
      ))}
      {writes && (
        <Written
          kind={options.length > 0 ? 'text' : kind}
          label={options.length > 0 ? words.somethingElse : question.question}
          placeholder={options.length > 0 ? words.somethingElse : words.yourAnswer}
          text={draft.text}
          required={question.required && options.length === 0}
          disabled={disabled}
          write={write}
          submit={submit}
        />
      )}
      {problem && (
        <p id={`${id}-problem`} class="jdc-question-problem" role="alert">
          {problem}
        </p>
      )}
    </fieldset>
  )
}

interface WrittenProps {
  kind: Question['kind']
  label: string
  placeholder: string
  text: string
  required: boolean
  disabled: boolean
  write(text: string): void
  submit(): void
}

function Written({ kind, label, placeholder, text, required, disabled, write, submit }: WrittenProps) {
  const area = useRef<HTMLTextAreaElement>(null)
  useLayoutEffect(() => grow(area.current), [text])
  if (kind === 'number' || kind === 'integer') {
    return (
      <input
        class="jdc-field jdc-free"
        type="text"
        inputMode={kind === 'integer' ? 'numeric' : 'decimal'}
        value={text}
        aria-label={label}
        aria-required={required}
        placeholder={kind === 'integer' ? words.wholeNumber : words.number}
        disabled={disabled}
        onInput={(event) => write(event.currentTarget.value)}
      />
    )
  }
  return (
    <textarea
      ref={area}
      class="jdc-field jdc-free"
      rows={1}
      value={text}
      aria-label={label}
      aria-required={required}
      placeholder={placeholder}
      dir="auto"
      disabled={disabled}
      onInput={(event) => write(event.currentTarget.value)}
      onKeyDown={(event) => {
        if (event.key !== 'Enter' || event.shiftKey || event.altKey || isComposing(event)) return
        event.preventDefault()
        submit()
      }}
    />
  )
}

/** What was asked, and what became of it. */
function Answered({ part, questions, running }: Props) {
  const answers = answersOf(part.output)
  const action = actionOf(part.output)
  const became = action === 'decline' ? words.declined : action === 'cancel' ? words.cancelled : null
  return (
    <div class="jdc-answered">
      {questions.map(({ id, question }) => (
        <div key={id} class="jdc-answered-one">
          <Icon name="ask" />
          <span>
            <span class="jdc-answered-question" dir="auto">
              {question}
            </span>
            {answers && (
              <b dir="auto">
                {answers.get(id) ?? words.noAnswer}
              </b>
            )}
          </span>
        </div>
      ))}
      {!answers && (
        <p class="jdc-tool-note">
          {became ?? (part.errorText ? words.notAnsweredWhy(part.errorText) : running ? words.onItsWay : words.notAnswered)}
        </p>
      )}
    </div>
  )
}
