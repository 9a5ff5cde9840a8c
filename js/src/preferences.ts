/**
 * What a person prefers, in this browser: for each question one of a few answers. All chats of the page follow a new one at
 * once, and so do all other tabs; where the browser keeps nothing, it holds for the page.
 */

import { useEffect, useState } from 'preact/hooks'
import { keep, kept, onKept } from './storage'

class Preference<Answer extends string> {
  readonly #name: string
  readonly #answers: readonly [Answer, ...Answer[]]
  readonly #listeners = new Set<() => void>()
  #heard: ((answer: Answer) => void) | null = null
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

  /** A person chooses it, on this page. */
  choose(answer: Answer): void {
    this.#become(answer)
    this.#heard?.(answer)
  }

  /** It is what settings say, if it is an answer. */
  adopt(answer: string): void {
    const known = this.#answers.find((one) => one === answer)
    if (known !== undefined && known !== this.#answer) this.#become(known)
  }

  /** Calls `heard` when a person has chosen on this page; it is one who keeps settings. */
  onChosen(heard: (answer: Answer) => void): void {
    this.#heard = heard
  }

  /** Calls `changed` after every change, until `signal` is aborted. */
  follow(changed: () => void, signal: AbortSignal): void {
    this.#listeners.add(changed)
    signal.addEventListener('abort', () => this.#listeners.delete(changed))
  }

  #become(answer: Answer): void {
    keep(this.#name, answer)
    this.#say(answer)
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

export const preferences = {
  /** What sends a message. `accel`: Enter with Ctrl, or with Command; Enter alone is a new line then. */
  sendKey: new Preference('send-key', ['enter', 'accel']),
  /** Whether this browser tells of what nobody watches. */
  notifications: new Preference('notifications', ['on', 'off']),
  /** With a tone. */
  sound: new Preference('sound', ['off', 'on']),
  /** Whether long lines of code are wrapped. */
  wrap: new Preference('wrap', ['off', 'on']),
}
