// @vitest-environment jsdom
/** What is done once while the first chat is on its way. */

import { expect, test, vi } from 'vitest'
import { reading } from '../../src/view/dress'
import { languages } from '../../src/view/highlight'
import { temml } from '../../src/view/math'
import { rehearse } from '../../src/view/rehearse'

test('the rehearsal draws, fetches nothing, and leaves nothing in the page', () => {
  const loads = [reading, languages, temml].map((lazy) => vi.spyOn(lazy, 'load'))
  const before = document.documentElement.outerHTML
  rehearse()
  for (const load of loads) expect(load).not.toHaveBeenCalled()
  expect(document.documentElement.outerHTML).toBe(before)
})
