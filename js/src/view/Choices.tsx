/** Those who can answer, to be chosen from. One that cannot answer now is there with the reason. */

import { useContext, useEffect, useLayoutEffect, useRef, useState } from 'preact/hooks'
import { words } from '../words'
import { Desk } from './desk'
import { closedByEscape } from './escape'
import type { AgentInfo, Agents, Choice, Chosen } from './types'

interface ChoicesProps {
  label: string
  /** What is chosen now; `null`: it is not said, and effort is not asked for. */
  chosen: Chosen | null
  pick(choice: Choice): void
  close(): void
}

/** All who can answer, with their models; for the chosen one, how hard it is to think. */
export function Choices({ label, chosen, pick, close }: ChoicesProps) {
  const actions = useContext(Desk)
  const [agents, setAgents] = useState<Agents | null>(null)
  const [problem, setProblem] = useState('')
  const element = useRef<HTMLDivElement>(null)
  useEffect(() => {
    let open = true
    // What is known already is there at once.
    for (const fresh of [false, true]) {
      actions?.agents(fresh).then(
        (known) => open && setAgents(known),
        (error: Error) => open && setProblem(error.message),
      )
    }
    return () => {
      open = false
    }
  }, [actions])
  const known = agents !== null
  useLayoutEffect(() => {
    const find = (selector: string) => element.current?.querySelector<HTMLElement>(selector)
    const wanted = find('[aria-pressed="true"]:enabled') ?? find('button:enabled')
    wanted?.focus({ preventScroll: true })
    element.current?.scrollIntoView({ block: 'nearest' })
  }, [known])
  const now = chosen && (chosen.agent ?? agents?.default ?? null)
  const efforts = agents?.agents.find(({ name }) => name === now)?.efforts ?? []
  return (
    <div
      ref={element}
      class="jdc-choices"
      role="group"
      aria-label={label}
      onKeyDown={closedByEscape(close)}
    >
      {!agents && <p class="jdc-tool-note">{problem || words.whoCan}</p>}
      {agents && (
        <ul>
          {agents.agents.map((agent) => (
            <AgentRow
              key={agent.name}
              agent={agent}
              isDefault={agent.name === agents.default}
              now={now === agent.name ? chosen : null}
              pick={pick}
            />
          ))}
        </ul>
      )}
      {chosen && efforts.length > 0 && (
        <div class="jdc-efforts" role="group" aria-label={words.effort}>
          <span>{words.effort}</span>
          {[null, ...efforts].map((effort) => (
            <Option key={effort ?? ''} on={chosen.effort === effort} label={effort ?? words.usual} pick={() => pick({ effort })} />
          ))}
        </div>
      )}
    </div>
  )
}

interface AgentRowProps {
  agent: AgentInfo
  isDefault: boolean
  /** What is chosen, if this is the agent that is. */
  now: Chosen | null
  pick(choice: Choice): void
}

function AgentRow({ agent, isDefault, now, pick }: AgentRowProps) {
  const { name, description, models, efforts = [], available, why } = agent
  const choose = (model: string | null) => {
    // What another agent was told of models and effort says nothing to this one.
    const kept = now?.effort != null && efforts.includes(now.effort)
    pick({ agent: name, model, ...(kept ? {} : { effort: null }) })
  }
  return (
    <li data-agent={name}>
      <Option on={now !== null && now.model === null} label={name} disabled={!available} pick={() => choose(null)} strong />
      <span class="jdc-choice-words">
        {available ? [isDefault ? words.default : '', description].filter(Boolean).join(' · ') : why || words.notAvailable}
      </span>
      {available && models.length > 0 && (
        <span class="jdc-models" role="group" aria-label={words.modelsOf(name)}>
          {models.map((model) => (
            <Option key={model} on={now?.model === model} label={model} pick={() => choose(model)} />
          ))}
        </span>
      )}
    </li>
  )
}

interface OptionProps {
  on: boolean
  label: string
  disabled?: boolean
  strong?: boolean
  pick(): void
}

function Option({ on, label, disabled = false, strong = false, pick }: OptionProps) {
  return (
    <button
      type="button"
      class={strong ? 'jdc-choice jdc-choice-strong' : 'jdc-choice'}
      aria-pressed={on}
      disabled={disabled}
      onClick={pick}
    >
      {label}
    </button>
  )
}
