/** A call as a card: what is called, how it goes, what it asks of the person, and on demand all of it. */

import { useContext } from 'preact/hooks'
import { isOver, type ToolPart } from '../transcript'
import { words } from '../words'
import { number } from '../words/numbers'
import { questionsOf } from './answers'
import { ApprovalForm, approvalWords } from './Approval'
import { argumentsOf, gist, openEnd, split } from './calls'
import { Card, CardLine } from './Card'
import { Code, Json } from './Code'
import { Desk } from './desk'
import { Fold } from './Fold'
import { PartView } from './Parts'
import { PlanCard, planOf } from './Plan'
import { QuestionsCard } from './Questions'
import { filesOf, Files, repeats, Result } from './Result'
import { readable } from './Readable'
import { Trouble } from './Trouble'
import { nameOf, needsPerson, waits } from './waits'

interface Props {
  part: ToolPart
  running: boolean
}

export function Tool({ part, running }: Props) {
  const plan = part.toolName === 'propose_plan' ? planOf(part.input) : null
  if (plan) return <PlanCard part={part} plan={plan} running={running} />
  const questions = part.toolName === 'ask_user' ? questionsOf(part.input) : []
  if (questions.length > 0) return <QuestionsCard part={part} questions={questions} running={running} />
  return <Call part={part} running={running} />
}

function Call({ part, running }: Props) {
  const { state, toolName, title, errorText, approval, parts = [] } = part
  const active = running && !isOver(part)
  const files = filesOf(part.output)
  const end = openEnd(part)
  return (
    <Card part={part}>
      <Fold
        class="jdc-tool-fold"
        open={active && (parts.length > 0 || needsPerson(part) !== null)}
        summary={
          <CardLine part={part} running={running} icon="tool">
            <span class={title ? 'jdc-tool-title' : 'jdc-tool-name'}>{readable(nameOf(part))}</span>
            {title && title !== toolName && <span class="jdc-tool-name jdc-tool-kind">{readable(toolName)}</span>}
            <span class="jdc-tool-gist">{readable(gist(argumentsOf(part)))}</span>
          </CardLine>
        }
      >
        {() => (
          <>
            <Arguments part={part} />
            {approval && state !== 'approval-requested' && <p class="jdc-tool-note">{approvalWords(approval)}</p>}
            {part.logs && <Logs logs={part.logs} folded={repeats(part.output, part.logs)} />}
            {parts.length > 0 && (
              <div class="jdc-nested">
                {parts.map((inner, index) => (
                  <PartView key={index} part={inner} running={running} />
                ))}
              </div>
            )}
            <Result output={part.output} said={parts} />
          </>
        )}
      </Fold>
      {active && <Going part={part} />}
      {active && state === 'approval-requested' && approval && <ApprovalForm part={part} approval={approval} />}
      {files.length > 0 && <Files files={files} />}
      {errorText && end === 'no-result' && <p class="jdc-tool-note">{readable(errorText)}</p>}
      {errorText && end === null && <Trouble text={errorText} />}
      {state === 'output-denied' && approval?.reason && <div class="jdc-tool-error">{readable(approval.reason)}</div>}
    </Card>
  )
}

function Arguments({ part }: { part: ToolPart }) {
  const { code, rest } = split(argumentsOf(part))
  const isEmpty = typeof rest === 'object' && rest !== null && Object.keys(rest).length === 0
  return (
    <>
      {code.map(({ name, language, text }) => (
        <div key={name} class="jdc-json">
          <span>{readable(name)}</span>
          <Code text={text} language={language} />
        </div>
      ))}
      {!isEmpty && <Json label={words.arguments} value={rest} />}
    </>
  )
}

function Logs({ logs, folded }: { logs: NonNullable<ToolPart['logs']>; folded: boolean }) {
  const lines = () => (
    <pre class="jdc-logs" tabIndex={0} dir="auto">
      {logs.map(({ level, text }, index) => (
        <span key={index} data-level={level}>
          {level === 'info' ? '' : `${level}: `}
          {readable(text)}
          {'\n'}
        </span>
      ))}
    </pre>
  )
  const label = <span>{words.log}</span>
  if (folded) {
    return (
      <Fold class="jdc-json" summary={label}>
        {lines}
      </Fold>
    )
  }
  return (
    <div class="jdc-json">
      {label}
      {lines()}
    </div>
  )
}

/** How far a call is that has not ended, or what it waits for. */
function Going({ part }: { part: ToolPart }) {
  const actions = useContext(Desk)
  const { progress, logs, started } = part
  if (waits(part) === 'kernel') {
    if (!actions) return null
    const [before, after] = words.kernelTakes
    return (
      <p class="jdc-tool-note">
        {before} <code>{readable(part.toolName)}</code> {after}
      </p>
    )
  }
  const line = logs?.at(-1)?.text
  if (!started || (!progress && line === undefined)) return null
  const { progress: done, total, message } = progress ?? {}
  const isKnown = done !== undefined && total !== undefined && total > 0
  const far = done === undefined ? '' : total === undefined ? number(done) : words.farOf(number(done), number(total))
  const said = [message, far].filter(Boolean).join(' · ')
  return (
    <div class="jdc-going">
      {progress && <progress aria-label={words.progressOf(nameOf(part))} {...(isKnown ? { value: done, max: total } : {})} />}
      {said && <span>{readable(said)}</span>}
      {line !== undefined && <code>{readable(line)}</code>}
    </div>
  )
}
