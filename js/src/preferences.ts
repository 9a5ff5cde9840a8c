/**
 * What a person prefers, in this browser: for each question one of a few answers. All chats of the page follow a new one at
 * once, and so do all other tabs; where the browser keeps nothing, it holds for the page.
 */

import { useEffect, useState } from 'preact/hooks'
import { keep, kept, onKept } from './storage'

export class Preference<Answer extends string> {
  readonly #name: string
  readonly #answers: readonly [Answer, ...Answer[]]
  readonly #listeners = new Set<() => void>()
  #answer: Answer

  /** The first answer holds until another one is chosen. */
  constructor(name: string, answers: readonly [Answer, ...Answer[]]) {
    this.#name = `preference:${name}`
    this.#answers = answers
    this.#answer = this.#kept()
    onKept((name) => name === this.#name && this.#say(this.#kept()))
  }

  get value(): Answer {
    return this.#answer
  }

  choose(answer: Answer): void {
    keep(this.#name, answer)
    this.#say(answer)
  }

  /** Calls `changed` after every change, until `signal` is aborted. */
  follow(changed: () => void, signal: AbortSignal): void {
    this.#listeners.add(changed)
    signal.addEventListener('abort', () => this.#listeners.delete(changed))
  }

  #kept(): Answer {
    const answer = kept(this.#name)
    return this.#answers.find((known) => known === answer) ?? this.#answers[0]
  }

  #say(answer: Answer): void {
    this.#answer = answer
    for (const changed of this.#listeners) changed()
  }
}

/** The answer that holds; who asks is drawn again when it is another. */
export function usePreference<Answer extends string>(preference: Preference<Answer>): Answer {
  const [answer, setAnswer] = useState(preference.value)
  useEffect(() => {
    const closing = new AbortController()
    const follow = () => setAnswer(preference.value)
    preference.follow(follow, closing.signal)
    follow()
    return () => closing.abort()
  }, [preference])
  return answer
}
