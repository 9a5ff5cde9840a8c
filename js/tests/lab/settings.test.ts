// @vitest-environment jsdom
/** What the settings say holds, what is chosen in a chat is in them, and neither undoes the other. */

import type { ISettingRegistry } from '@jupyterlab/settingregistry'
import { beforeEach, expect, test } from 'vitest'

import { Preferred } from '../../src/lab/settings'
import { preferences } from '../../src/preferences'

let composite: Record<string, unknown>
let user: Record<string, unknown>
let written: Record<string, unknown>
let changed: () => void

beforeEach(() => {
  localStorage.clear()
  preferences.sendKey.adopt('enter')
  preferences.sound.adopt('off')
  composite = { open: 'notebook', sendKey: 'enter', notifications: true, sound: false, offerToSave: true }
  user = {}
  written = {}
})

const registry: ISettingRegistry = {
  load: async () => ({
    get composite() {
      return composite
    },
    get user() {
      return user
    },
    changed: { connect: (slot: () => void) => ((changed = slot), true) },
    set: async (key: string, value: unknown) => {
      written[key] = value
      say({ [key]: value })
    },
  }),
}

function say(more: Record<string, unknown>): void {
  user = { ...user, ...more }
  composite = { ...composite, ...more }
  changed()
}

test('what they say holds, at first and when it changes', async () => {
  composite['sendKey'] = user['sendKey'] = 'accel'
  const preferred = new Preferred(registry)
  await preferred.join(preferences)
  expect(preferences.sendKey.value).toBe('accel')
  say({ sound: true, notifications: false, open: 'main', offerToSave: false })
  expect([preferences.sound.value, preferences.notifications.value, preferred.opens, preferred.offersToSave]).toEqual(['on', 'off', 'main', false])
  expect(written).toEqual({})
  preferences.notifications.adopt('on')
})

test('what is chosen in a chat is written, once', async () => {
  await new Preferred(registry).join(preferences)
  preferences.sound.choose('on')
  preferences.sendKey.choose('accel')
  expect(written).toEqual({ sound: true, sendKey: 'accel' })
  expect([preferences.sound.value, preferences.sendKey.value]).toEqual(['on', 'accel'])
})

test('what another page has chosen since is not undone by another setting', async () => {
  await new Preferred(registry).join(preferences)
  preferences.sendKey.adopt('accel') // as it comes from there
  say({ open: 'main' })
  expect([preferences.sendKey.value, written]).toEqual(['accel', {}])
})

test('what was chosen before they were there is not undone by what nobody has set, and is written', async () => {
  preferences.sendKey.choose('accel')
  await new Preferred(registry).join(preferences)
  expect([preferences.sendKey.value, written]).toEqual(['accel', { sendKey: 'accel' }])
})

test('where there are none, the browser’s hold', async () => {
  preferences.sound.adopt('on')
  const preferred = new Preferred({ load: () => Promise.reject(new Error()) })
  await preferred.join(preferences)
  expect([preferences.sound.value, preferred.opens]).toEqual(['on', 'notebook'])
})
