/**
 * JupyterLab's settings of us. What they say holds; what a person chooses in a chat is written into them. So there is one
 * truth, and what the browser keeps is how it reaches pages without settings.
 *
 * A setting is taken over when it changes, and at first if somebody has set it. What nobody has set yields to what was chosen in
 * the browser: that may just have been done, here or in another tab, and is written into the settings.
 */

import type { ISettingRegistry, Settings } from '@jupyterlab/settingregistry'

import type { Core } from '../host'

const PLUGIN = 'jupyter-durable-chat:sessions'

/** By the setting: the preference that is the same, and its answers for `true` and `false`, where the setting is one of these. */
const SAME = {
  sendKey: { preference: 'sendKey', answers: null },
  notifications: { preference: 'notifications', answers: ['on', 'off'] },
  sound: { preference: 'sound', answers: ['on', 'off'] },
} as const

type Name = keyof typeof SAME

export class Preferred {
  /** Where a chat that is in a notebook is opened. */
  opens: 'notebook' | 'main' = 'notebook'
  /** Whether notebooks are offered to be saved with their chats. */
  offersToSave = true
  #settings: Settings | null = null
  #preferences: Core['preferences'] | null = null
  readonly #taken = new Map<Name, unknown>()
  readonly #loaded: Promise<void>

  /** Where there are no settings, or they cannot be read, it is as if nobody had changed them. */
  constructor(registry: ISettingRegistry | null) {
    this.#loaded = this.#load(registry)
  }

  /** From now on these are what the settings say, and the other way round. */
  async join(preferences: Core['preferences']): Promise<void> {
    await this.#loaded
    if (!this.#settings) return
    this.#preferences = preferences
    this.#take()
    for (const name of Object.keys(SAME) as Name[]) {
      preferences[SAME[name].preference].onChosen((answer) => this.#write(name, answer))
    }
  }

  async #load(registry: ISettingRegistry | null): Promise<void> {
    this.#settings = (await registry?.load(PLUGIN).catch(() => null)) ?? null
    this.#settings?.changed.connect(() => this.#take())
    this.#take()
  }

  #take(): void {
    const said = this.#settings?.composite
    if (!said) return
    this.opens = said.open === 'main' ? 'main' : 'notebook'
    this.offersToSave = said.offerToSave !== false
    for (const name of this.#preferences ? (Object.keys(SAME) as Name[]) : []) {
      if (this.#taken.get(name) === said[name]) continue
      const isFirst = !this.#taken.has(name)
      this.#taken.set(name, said[name])
      const preference = this.#preferences?.[SAME[name].preference]
      if (!preference) continue
      if (isFirst && !(name in (this.#settings?.user ?? {}))) this.#write(name, preference.value)
      else preference.adopt(answerOf(name, said[name]))
    }
  }

  #write(name: Name, answer: string): void {
    const { answers } = SAME[name]
    const value = answers ? answer === answers[0] : answer
    if (this.#taken.get(name) === value) return
    this.#taken.set(name, value)
    // What could not be written holds in this browser all the same, and is written when it is chosen again.
    this.#settings?.set(name, value).catch(() => this.#taken.set(name, this.#settings?.composite[name]))
  }
}

function answerOf(name: Name, value: unknown): string {
  const { answers } = SAME[name]
  return answers ? answers[value === false ? 1 : 0] : String(value)
}
