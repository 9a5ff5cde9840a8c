// @vitest-environment jsdom
/** The chat elsewhere: who may log in opens its address; others get a link to read, which says nothing twice. */

import { act } from 'preact/test-utils'
import jsQR from 'jsqr'
import { beforeEach, describe, expect, test } from 'vitest'
import type { Share } from '../../src/transcript'
import { actions, all, click, did, draw, find, press, taken, type } from './drawn'
import { answer, question, transcript } from './transcripts'

const MESSAGES = [question('Why?'), answer(['So.'])]
const LINK: Share = { id: 'h_1', hash: 'a'.repeat(64), name: 'Class', at: '2026-11-20T20:15:00.000Z', expires_at: null, by: null }
const ADDRESS = 'https://hub.example/user/ada/durable-chat/s/s_1'

/** What a code says, of which every module is as large as its picture has it. */
function read(svg: Element | null): string | undefined {
  const [left, top, size] = svg?.getAttribute('viewBox')?.split(' ').map(Number) as [number, number, number]
  const scale = 4
  const pixels = new Uint8ClampedArray((size * scale) ** 2 * 4).fill(255)
  for (const [, x, y, width] of svg?.querySelector('path')?.getAttribute('d')?.matchAll(/M(\d+) (\d+)h(\d+)v1h-\d+z/g) ?? []) {
    for (let row = 0; row < scale; row++) {
      const start = ((Number(y) - top) * scale + row) * size * scale + (Number(x) - left) * scale
      for (let column = 0; column < Number(width) * scale; column++) pixels.fill(0, (start + column) * 4, (start + column) * 4 + 3)
    }
  }
  return jsQR(pixels, size * scale, size * scale, { inversionAttempts: 'dontInvert' })?.data
}

const settle = () => act(async () => void (await Promise.resolve()))

describe('sharing', () => {
  beforeEach(async () => {
    await draw({ transcript: transcript(MESSAGES, { shares: [LINK, { ...LINK, id: 'h_2', name: '', expires_at: '2000-01-01T00:00:00.000Z' }] }) })
    await click('button.jdc-share-button')
    await settle()
  })

  test('the address is there, and its code when it is wanted, which says the same', async () => {
    expect(find<HTMLInputElement>('input.jdc-address')?.value).toBe(ADDRESS)
    expect(find('.jdc-qr')).toBeNull()
    await click('.jdc-show-qr')
    expect(read(find('.jdc-qr'))).toBe(ADDRESS)
    expect(find('.jdc-loopback')).toBeNull()
  })

  test('a link is made for somebody and for a time, and shown once, with its code', async () => {
    await type(' Ada ', find<HTMLInputElement>('input.jdc-link-name') as HTMLInputElement)
    await click('button.jdc-make-link')
    await settle()
    expect(did).toContain(`share Ada ${7 * 24 * 3600}`)
    const made = find<HTMLInputElement>('input.jdc-made-link')?.value
    expect(made).toMatch(/share\/s_1#t{32}$/)
    expect(read(find('.jdc-qr'))).toBe(made)
    await press('Escape', {}, find('.jdc-sharing') as Element)
    expect(document.activeElement).toBe(find('button.jdc-share-button'))
    await click('button.jdc-share-button')
    expect(find('input.jdc-made-link')).toBeNull()
  })

  test('those there are can be revoked', async () => {
    expect(all('.jdc-links li').map(({ textContent }) => textContent)).toEqual([
      expect.stringMatching(/^Class.*created/),
      expect.stringMatching(/^without a name.*has run out/),
    ])
    await click('button.jdc-make-link')
    await settle()
    await click('[data-share=h_2] .jdc-revoke')
    expect(did).toContain('revoke h_2')
    expect(find('input.jdc-made-link')).not.toBeNull() // it is another one, and nobody is told it again
    expect(document.body.textContent).not.toContain(LINK.hash)
    await draw({ transcript: transcript(MESSAGES, { shares: [LINK, { ...LINK, id: 'h_new' }] }) })
    expect(find('.jdc-sharing')?.contains(document.activeElement)).toBe(true)
    await click('[data-share=h_new] .jdc-revoke')
    expect(find('input.jdc-made-link')).toBeNull()
  })
})

test('where it is switched off, what there is can still be revoked', async () => {
  taken.commands = false
  await draw({ transcript: transcript(MESSAGES, { shares: [LINK] }) })
  await click('button.jdc-share-button')
  await settle()
  expect(find('.jdc-make-link')).toBeNull()
  expect(find('.jdc-sharing')?.textContent).toContain('switched off')
  expect(all('.jdc-revoke').length).toBe(1)
})

test('an address of this machine says that nobody else has it', async () => {
  for (const host of ['127.0.0.1:8888', 'localhost:8888', '[::1]:8888']) {
    await draw({ transcript: transcript(MESSAGES), actions: { ...actions, address: () => `http://${host}/durable-chat/s/s_1` } })
    if (!find('.jdc-sharing')) await click('button.jdc-share-button')
    expect(all('.jdc-loopback').length).toBe(1)
  }
})

test('a page that cannot reach the server has nothing to share', async () => {
  await draw({ transcript: transcript(MESSAGES), actions: { ...actions, address: () => null } })
  expect(find('button.jdc-share-button')).toBeNull()
})

describe('a guest', () => {
  const file = { type: 'file', mediaType: 'image/png', url: `attachment:${'a'.repeat(64)}` } as const
  const asking = {
    type: 'dynamic-tool', toolName: 'run', toolCallId: 'c', state: 'approval-requested', input: {}, approval: { id: 'a' },
  } as const

  test('reads, files too, and has nothing to press that would change something', async () => {
    URL.createObjectURL ??= () => 'blob:x'
    URL.revokeObjectURL ??= () => undefined
    const stopped = answer(['So.', asking], { outcome: 'stopped' })
    await draw({ transcript: transcript([question('Why?', 't_1', [file]), stopped]), actions: null, reads: actions })
    await settle()
    expect(did).toEqual([`fetch ${file.url}`])
    expect(find('.jdc-read-only')?.textContent).toBe('read only')
    const changing = ['share-button', 'download-button', 'stop', 'send', 'retry', 'retry-with', 'continue', 'edit', 'approve', 'deny', 'input']
    expect(changing.filter((name) => find(`.jdc-${name}`))).toEqual([])
  })

  test('tries again when they want, and is told when the link holds no more', async () => {
    await draw({ transcript: transcript(MESSAGES), actions: null, reads: actions, state: 'offline' })
    await click('.jdc-notice button')
    expect(did).toEqual(['reconnect'])
    await draw({ transcript: null, actions: null, reads: actions, state: 'gone', notice: 'of the server' })
    expect(find('.jdc-notice')?.textContent).toContain('This link opens nothing, or nothing any more')
  })
})
