// @vitest-environment jsdom
/** The frame that draws diagrams, from the page's side: what it may do, what is believed of it, and when it is given up. */

import { beforeEach, expect, test } from 'vitest'
import { type Answer, LARGEST_SVG, LONGEST_SOURCE, type Order } from '../../src/mermaid/protocol'
import { Draughtsman } from '../../src/view/reading/frame'

const FILE = new URL('https://hub.example/user/a/static/durable_chat/mermaid-ABCDEFGH.js')
const QUICK = { loading: 1000, starting: 1000, drawing: 1000 }

const frames = () => [...document.querySelectorAll('iframe')]

/** What the frame says to each order, once it has said that it is there. */
let answers: (order: Order) => Answer[]
let isReady: boolean

beforeEach(() => {
  document.body.replaceChildren()
  answers = () => []
  isReady = true
  Object.defineProperty(HTMLIFrameElement.prototype, 'contentWindow', { configurable: true, value: { postMessage: start } })
})

function start(_: unknown, __: string, [port]: [MessagePort]): void {
  port.onmessage = ({ data }: MessageEvent<Order>) => answers(data).forEach((answer) => port.postMessage(answer))
  if (isReady) port.postMessage({ ready: true })
}

test('has no origin, no network, and one script', async () => {
  answers = ({ id }) => [{ id, svg: '<svg/>' }]
  await new Draughtsman(FILE, QUICK).draw('x', true)
  const [frame] = frames()
  expect(frame?.getAttribute('sandbox')).toBe('allow-scripts')
  expect(frame?.getAttribute('srcdoc')).toContain(`content="default-src 'none'; script-src ${FILE}; style-src 'unsafe-inline'"`)
  expect(frame?.getAttribute('srcdoc')?.match(/<script[^>]*>/g)).toEqual([`<script src="${FILE}">`])
})

test('draws one after the other, in one frame', async () => {
  const draughtsman = new Draughtsman(FILE, QUICK)
  const orders: Order[] = []
  answers = (order) => (orders.push(order), [{ id: order.id - 1, svg: 'late' }, { id: order.id, svg: `<svg>${order.source}</svg>` }])
  const drawn = [draughtsman.draw('one', true), draughtsman.draw('two', false)]
  expect(await Promise.all(drawn)).toEqual([{ svg: '<svg>one</svg>' }, { svg: '<svg>two</svg>' }])
  expect(orders).toEqual([
    { id: 1, source: 'one', dark: true },
    { id: 2, source: 'two', dark: false },
  ])
  expect(frames().length).toBe(1)
})

test.each<[string, (id: number) => Answer, object]>([
  ['says what is wrong', (id: number) => ({ id, error: 'Parse error' }), { error: 'Parse error' }],
  ['sends too much', (id: number) => ({ id, svg: 'x'.repeat(LARGEST_SVG + 1) }), { error: '' }],
  ['sends no text', (id: number) => ({ id, svg: { toString: 1 } }) as unknown as Answer, { error: '' }],
])('when it %s, there is no picture', async (_, answer, drawing) => {
  answers = ({ id }) => [answer(id)]
  expect(await new Draughtsman(FILE, QUICK).draw('x', true)).toEqual(drawing)
})

test('is taken away when it takes too long, and the next diagram has another one', async () => {
  const draughtsman = new Draughtsman(FILE, { ...QUICK, drawing: 20 })
  expect(await draughtsman.draw('hangs', true)).toBe('slow')
  expect(frames().length).toBe(0)
  answers = ({ id }) => [{ id, svg: '<svg/>' }]
  expect(await draughtsman.draw('does not', true)).toEqual({ svg: '<svg/>' })
})

test('that did not come is asked for again with the next diagram', async () => {
  const draughtsman = new Draughtsman(FILE, { ...QUICK, starting: 20 })
  isReady = false
  expect(await draughtsman.draw('x', true)).toBe('unreachable')
  expect(frames().length).toBe(0)
  isReady = true
  answers = ({ id }) => [{ id, svg: '<svg/>' }]
  expect(await draughtsman.draw('x', true)).toEqual({ svg: '<svg/>' })
})

test('is not made where there is no Mermaid', async () => {
  expect(await new Draughtsman(null).draw('x', true)).toBe('unreachable')
  expect(frames().length).toBe(0)
})

test('is not asked for what is too long', async () => {
  expect(await new Draughtsman(FILE).draw('x'.repeat(LONGEST_SOURCE + 1), true)).toEqual({ error: '' })
  expect(frames().length).toBe(0)
})
