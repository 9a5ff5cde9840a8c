/** What a page has of a session is the log's, once and whole; what a person asks for is done once or said not to be. */

import { afterEach, beforeEach, expect, test } from 'vitest'

import type { Handle } from '../../src/connection/connection'
import type { Session } from '../../src/connection/session'
import { fold } from '../../src/fold'
import { emptyTranscript, type TextPart, type ToolPart, type Transcript, type UIMessage, versions } from '../../src/transcript'
import { Browser, show, text } from './page'
import { ChatServer, MAX_FOLLOWED, reply } from './server'
import { until } from './until'

let server: ChatServer
let browser: Browser

beforeEach(async () => {
  server = await ChatServer.start()
  browser = new Browser()
})

afterEach(async () => {
  browser.close()
  await server.close()
})

function isTrue({ session }: Handle): void {
  expect(session.transcript).toEqual(fold(emptyTranscript(), server.events(session.id)))
  expect(session.gaps).toBe(0)
}

test('reads the transcript, then follows it', async () => {
  server.begin('s')
  server.say('s', 'one ')
  const handle = show(browser.open(server.api), 's')
  expect(handle.session.state).toBe('connecting')
  await until(() => handle.session.state === 'live')
  server.say('s', 'two ', 'three')
  server.end('s')
  await until(() => !handle.session.running)
  isTrue(handle)
  expect(text(handle)).toBe('one two three')
  expect(server.requests.map(({ path, query }) => [path, query.getAll('after')])).toEqual([
    ['/sessions/s', []],
    ['/events', ['s:5']],
  ])
  expect(server.requests.map(({ xsrf }) => xsrf)).toEqual(['2|ab|12', '2|ab|12'])
})

test('cells of one session share it, cells of a page share its stream, pages of a browser share that', async () => {
  const names = ['a', 'b', 'c', 'd']
  names.forEach((name) => server.begin(name))
  const pages = Array.from({ length: 10 }, () => browser.open(server.api))
  const cells = pages.flatMap((page) => [...names, 'a'].map((name) => show(page, name)))
  await until(() => cells.every(({ session }) => session.state === 'live'))
  for (let i = 0; i < 100; i++) for (const name of names) server.say(name, `${i} `)
  for (const name of names) server.end(name)
  await until(() => cells.every(({ session }) => !session.running))
  cells.forEach(isTrue)
  expect(server.readers.size).toBe(1)
})

test('a page that joins in the middle of a quick answer has all of it, once', async () => {
  server.begin('s')
  const first = show(browser.open(server.api), 's')
  await until(() => first.session.state === 'live')
  const late: Handle[] = []
  for (let i = 0; i < 200; i++) {
    server.say('s', `${i} `)
    if (i % 10 === 0) late.push(show(browser.open(server.api), 's'))
    await new Promise((resolve) => setImmediate(resolve))
  }
  server.end('s')
  await until(() => late.every(({ session }) => session.transcript?.status === 'idle'))
  late.forEach(isTrue)
})

test.each(['fails', null] as const)('without a shared worker (%s) the page reads for itself', async (worker) => {
  browser.worker = worker
  server.begin('s')
  const handle = show(browser.open(server.api), 's')
  await until(() => handle.session.state === 'live')
  server.say('s', 'one ')
  await until(() => text(handle) === 'one ')
  browser.hide(true)
  await until(() => server.readers.size === 0)
  expect(handle.session.state).toBe('idle')
  server.say('s', 'two')
  browser.hide(false)
  await until(() => text(handle) === 'one two')
  isTrue(handle)
})

test('a page in the back-forward cache follows nothing, and all of it again when it comes back', async () => {
  server.begin('s')
  const handle = show(browser.open(server.api), 's')
  await until(() => handle.session.state === 'live')
  browser.leave()
  await until(() => server.readers.size === 0)
  server.say('s', 'meanwhile')
  browser.comeBack()
  await until(() => text(handle) === 'meanwhile')
  isTrue(handle)
})

test('a worker that died is replaced', async () => {
  server.begin('s')
  const handle = show(browser.open(server.api, 50), 's')
  await until(() => handle.session.state === 'live')
  browser.killWorker()
  server.say('s', 'unheard')
  await until(() => text(handle) === 'unheard')
  server.say('s', ' and heard')
  await until(() => text(handle) === 'unheard and heard')
  isTrue(handle)
})

test('a hidden page follows while a turn runs, and no longer', async () => {
  server.begin('s')
  const handle = show(browser.open(server.api), 's')
  await until(() => handle.session.state === 'live')
  browser.hide(true)
  handle.see(false)
  server.say('s', 'all of it')
  await until(() => text(handle) === 'all of it')
  server.end('s')
  await until(() => server.readers.size === 0)
  expect(handle.session.state).toBe('idle')
  isTrue(handle)
})

test('nothing in sight and nothing running: no stream; in sight again: what was missed', async () => {
  server.begin('s')
  server.end('s')
  const page = browser.open(server.api)
  const handle = page.open('s', () => undefined)
  await until(() => handle.session.state === 'idle')
  expect(server.streams).toBe(0)
  handle.see(true)
  await until(() => handle.session.state === 'live')
  handle.see(false)
  await until(() => server.readers.size === 0)
  server.append('s', { type: 'session-updated', title: 'new' })
  const other = show(browser.open(server.api), 's')
  await until(() => other.session.state === 'live')
  handle.see(true)
  await until(() => handle.session.transcript?.title === 'new')
  isTrue(handle)
})

test('a session that nobody looks at any more is let go', async () => {
  server.begin('s')
  const page = browser.open(server.api)
  const [one, two] = [show(page, 's'), show(page, 's')]
  await until(() => one.session.state === 'live')
  one.close()
  server.say('s', 'still')
  await until(() => text(two) === 'still')
  two.close()
  await until(() => server.readers.size === 0)
})

test('a transcript that is cut off is read again', async () => {
  server.begin('s')
  server.answer = (_, response) => {
    if (server.requests.length > 3) return false
    response.writeHead(200, { 'Content-Type': 'application/json', 'Content-Length': 1000 })
    response.write('{"id": "s", "lsn"', () => response.destroy())
    return true
  }
  const handle = show(browser.open(server.api), 's')
  await until(() => handle.session.state === 'live')
  isTrue(handle)
})

test('a page that is hidden while it reads rests afterwards', async () => {
  server.begin('s')
  const first = show(browser.open(server.api), 's')
  await until(() => first.session.state === 'live')
  const second = show(browser.open(server.api), 's')
  second.see(false)
  server.end('s')
  await until(() => second.session.state === 'idle')
  first.see(false)
  await until(() => server.readers.size === 0)
})

test('missing events are read again and counted', async () => {
  let skipped = false
  server.spoil = (frames) => {
    if (skipped || frames.length === 0) return frames
    skipped = true
    return frames.slice(1)
  }
  server.begin('s')
  const handle = show(browser.open(server.api), 's')
  await until(() => handle.session.state === 'live')
  server.say('s', 'one ', 'two')
  await until(() => text(handle) === 'one two')
  server.say('s', ' three')
  await until(() => text(handle) === 'one two three')
  expect(handle.session.gaps).toBe(1)
})

test('a log that ends before what the page has is read again', async () => {
  server.begin('s')
  server.say('s', 'to be taken back')
  const handle = show(browser.open(server.api), 's')
  await until(() => handle.session.state === 'live')
  const { port } = server
  await server.close()
  server = await ChatServer.start(port)
  server.begin('s')
  await until(() => handle.session.transcript?.lsn === 4)
  isTrue(handle)
})

test('a server that goes and comes back', async () => {
  server.begin('s')
  const handle = show(browser.open(server.api), 's')
  await until(() => handle.session.state === 'live')
  const { port } = server
  await server.close()
  await until(() => handle.session.state === 'offline')
  expect(handle.session.notice).toBe('The server cannot be reached.')
  server = await ChatServer.start(port)
  server.begin('s')
  server.say('s', 'there')
  await until(() => text(handle) === 'there' && handle.session.state === 'live')
  expect(handle.session.notice).toBeNull()
  isTrue(handle)
})

test('a session that never was, and one that was deleted', async () => {
  const page = browser.open(server.api)
  const never = show(page, 'never')
  await until(() => never.session.state === 'gone')
  expect(never.session.notice).toBe("There is no session 'never'.")
  server.begin('s')
  const handle = show(page, 's')
  await until(() => handle.session.state === 'live')
  server.delete('s')
  await until(() => handle.session.state === 'gone')
  expect(handle.session.transcript?.lsn).toBe(4)
})

test('a server without durable chat is not a session that is gone', async () => {
  server.answer = (_, response) => {
    response.writeHead(404, { 'Content-Type': 'text/html' })
    response.end('<h1>404</h1>')
    return true
  }
  const handle = show(browser.open(server.api), 's')
  await until(() => handle.session.state === 'offline')
  expect(handle.session.notice).toContain('no durable chat')
  server.answer = () => false
  server.begin('s')
  await until(() => handle.session.state === 'live')
})

test('a server that is older than the page shows the chat, and what it does not know it refuses', async () => {
  // What it has had since the first version; a transcript that says nothing of branches, queues and modes; no names for streams.
  const KNOWN = /\/api\/(?:events|sessions\/s(?:\/messages|\/stop)?)$/
  server.answer = (request, response, url) => {
    if (!KNOWN.test(url.pathname)) {
      response.writeHead(404, { 'Content-Type': 'text/html' })
      response.end('<h1>404</h1>')
      return true
    }
    if (!url.pathname.endsWith('/s') || request.method !== 'GET') return false
    const { others, queue, held, removed, shares, mode, effort, turn, messages, ...old } = fold(emptyTranscript(), server.events('s')) as Transcript & Record<string, unknown>
    const plain = messages.map(({ metadata: { parent, ...metadata }, ...message }) => ({ ...message, metadata }))
    reply(response, 200, { ...old, messages: plain, turn: turn && { id: turn.id, message_id: turn.message_id } })
    return true
  }
  server.begin('s')
  server.say('s', 'one ')
  const connection = browser.open(server.api)
  const handle = show(connection, 's')
  const { session } = handle
  await until(() => session.state === 'live')
  server.say('s', 'two')
  await until(() => text(handle) === 'one two')

  const { signal } = new AbortController()
  await expect(session.exported('md', signal)).rejects.toThrow()
  await expect(session.upload(new File(['x'], 'x.txt'), signal)).rejects.toThrow()
  await expect(session.mayShare()).rejects.toThrow()
  await expect(session.agents(true)).rejects.toThrow()
  for (const command of [() => session.continueAnswer('m_2'), () => session.retry('m_2'), () => session.resumeQueue(), () => session.selectBranch('m_2')]) {
    command()
    await until(() => session.notice !== null)
    expect(session.state).toBe('live')
  }
  session.stop()
  await until(() => !session.running)
  session.send('And now?')
  await until(() => session.transcript?.messages.at(-1)?.role === 'user')
  expect([session.outbox, session.state, session.gaps]).toEqual([[], 'live', 0])
})

test('who is not logged in is told, after one more try', async () => {
  server.answer = (_, response) => {
    reply(response, 403, { message: 'Forbidden', code: 'forbidden' })
    return true
  }
  server.begin('s')
  const handle = show(browser.open(server.api), 's')
  await until(() => handle.session.state === 'offline')
  expect(handle.session.notice).toContain('log in')
  expect(server.requests.length).toBeGreaterThanOrEqual(2)
})

test('a message is in the outbox until the transcript has it', async () => {
  server.begin('s')
  server.end('s')
  const handle = show(browser.open(server.api), 's')
  await until(() => handle.session.state === 'live')
  handle.session.send('hello')
  expect(handle.session.outbox).toMatchObject([{ text: 'hello', error: null }])
  await until(() => handle.session.outbox.length === 0)
  expect(text(handle)).toBe('hello')
})

test('a message whose answer got lost is sent again and is one message', async () => {
  server.begin('s')
  server.end('s')
  const handle = show(browser.open(server.api), 's')
  await until(() => handle.session.state === 'live')
  let cut = true
  server.answer = (request, response) => {
    if (request.method !== 'POST' || !cut) return false
    cut = false
    response.destroy()
    return true
  }
  handle.session.send('once')
  await until(() => handle.session.outbox.length === 0)
  expect(server.requests.filter(({ method }) => method === 'POST')).toHaveLength(2)
  expect(server.events('s').filter((event) => 'text' in event && event.text === 'once')).toHaveLength(1)
})

test('failure 39: a message sent while the server is away is sent when it is back', async () => {
  server.begin('s')
  server.end('s')
  const handle = show(browser.open(server.api), 's')
  await until(() => handle.session.state === 'live')
  const { port } = server
  await server.close()
  handle.session.send('later')
  await until(() => handle.session.state === 'offline')
  expect(handle.session.outbox).toMatchObject([{ text: 'later', error: null }])
  server = await ChatServer.start(port)
  server.begin('s')
  server.end('s')
  await until(() => text(handle) === 'later')
  expect(handle.session.outbox).toEqual([])
})

test('a message that is refused stays, with the reason, until it is sent again or discarded', async () => {
  server.begin('s')
  const handle = show(browser.open(server.api), 's')
  await until(() => handle.session.state === 'live')
  server.answer = (request, response) => {
    if (request.method !== 'POST') return false
    reply(response, 409, { message: 'A turn is running.', code: 'turn-running' })
    return true
  }
  handle.session.send('no')
  handle.session.send('yes')
  await until(() => handle.session.outbox.every(({ error }) => error === 'A turn is running.'))
  const [no, yes] = handle.session.outbox.map(({ clientId }) => clientId) as [string, string]
  server.answer = () => false
  handle.session.discard(no)
  handle.session.resend(yes)
  await until(() => text(handle) === 'yes')
  expect(handle.session.outbox).toEqual([])
})

test('stop stops the turn that was seen', async () => {
  server.begin('s')
  const handle = show(browser.open(server.api), 's')
  await until(() => handle.session.state === 'live')
  handle.session.stop()
  await until(() => handle.session.transcript?.messages.at(-1)?.metadata.outcome === 'stopped')
})

test('a message that waits for its turn has arrived', async () => {
  const { session } = await opened()
  server.queues = true
  session.send('first')
  session.send('second')
  await until(() => session.outbox.length === 0)
  expect(waiting(session)).toEqual(['first', 'second'])
  session.removeQueued(session.transcript?.queue[0]?.id as string)
  await until(() => waiting(session).length === 1)
  expect(session.transcript?.removed).toHaveLength(1)
})

test('what is written while the server is away arrives in the order in which it was written', async () => {
  const { session } = await opened()
  const { port } = server
  await server.close()
  const texts = Array.from({ length: 20 }, (_, n) => `message ${n}`)
  texts.forEach((text) => session.send(text))
  await until(() => session.state === 'offline')
  server = await ChatServer.start(port)
  server.queues = true
  server.begin('s')
  await until(() => session.outbox.length === 0)
  expect(waiting(session)).toEqual(texts)
})

test('the queue is changed, held and resumed', async () => {
  const { session } = await opened()
  server.queues = true
  for (const text of ['one', 'two', 'three']) session.send(text)
  await until(() => session.transcript?.queue.length === 3)
  const [one, two, three] = session.transcript?.queue.map(({ id }) => id) as [string, string, string]
  session.reorderQueue([three, one])
  await until(() => waiting(session).join() === 'three,one,two')
  session.editQueued(two, 'two, edited')
  expect(session.outbox).toMatchObject([{ text: 'two, edited', edits: two, error: null }])
  await until(() => session.outbox.length === 0 && waiting(session).join() === 'three,one,two, edited')
  session.stop()
  await until(() => session.transcript?.held === 'stopped')
  session.resumeQueue()
  await until(() => session.transcript?.held === null)
})

test('an edit of a message that waits no longer can be sent as a message of its own', async () => {
  const { session } = await opened()
  session.editQueued('m_gone', 'what I wrote')
  await until(() => session.outbox[0]?.error != null)
  expect(session.outbox).toMatchObject([{ text: 'what I wrote', edits: null, error: expect.stringContaining('does not wait') }])
  session.resend(session.outbox[0]?.clientId as string)
  await until(() => session.outbox.length === 0)
  expect(session.transcript?.messages.at(-1)?.parts).toMatchObject([{ text: 'what I wrote' }])
})

test('an edit is kept until the transcript has it, and is made once', async () => {
  const { session } = await opened()
  server.end('s')
  server.answer = losesTheFirstAnswer()
  session.retry('m_1', { text: 'Why not?' })
  expect(session.outbox).toMatchObject([{ text: 'Why not?', edits: 'm_1', error: null }])
  await until(() => session.outbox.length === 0)
  const transcript = session.transcript as Transcript
  expect(transcript.messages.map(({ metadata }) => metadata.parent)).toEqual([null])
  expect(versions(transcript, transcript.messages[0] as UIMessage)).toHaveLength(2)
  session.selectBranch('m_2')
  await until(() => session.transcript?.messages.at(-1)?.id === 'm_2')
})

test('an edit that is refused stays, with the reason', async () => {
  const { session } = await opened()
  server.answer = (request, response) => {
    if (request.method !== 'POST') return false
    reply(response, 409, { message: 'A turn is running.', code: 'turn-running' })
    return true
  }
  session.retry('m_1', { text: 'Why not?' })
  await until(() => session.outbox[0]?.error === 'A turn is running.')
  expect(session.outbox).toMatchObject([{ text: 'Why not?', edits: 'm_1' }])
  server.answer = () => false
  session.resend(session.outbox[0]?.clientId as string)
  await until(() => session.outbox.length === 0)
})

test.each(['retry', 'continueAnswer'] as const)('%s is asked again when its answer got lost, and done once', async (action) => {
  const { session } = await opened()
  session.stop()
  await until(() => !session.running)
  server.answer = losesTheFirstAnswer()
  session[action]('m_2')
  session[action]('m_2')
  await until(() => session.running)
  await until(() => server.requests.filter(({ path }) => /retry|continue/.test(path)).length === 2)
  const started = server.events('s').filter(({ type }) => type === 'turn-started')
  expect(started).toHaveLength(2)
  expect(session.transcript?.messages.map(({ role }) => role)).toEqual(['user', 'assistant'])
  expect(session.transcript?.others).toHaveLength(action === 'retry' ? 1 : 0)
})

test('a command that is refused is the notice, until the next one', async () => {
  const { session } = await opened()
  server.answer = (request, response) => {
    if (request.method === 'GET') return false
    reply(response, 409, { message: 'Not now.', code: 'turn-running' })
    return true
  }
  const commands = [
    () => session.retry('m_2'),
    () => session.continueAnswer('m_2'),
    () => session.selectBranch('m_2'),
    () => session.removeQueued('m_9'),
    () => session.reorderQueue([]),
    () => session.resumeQueue(),
    () => session.stop(),
  ]
  for (const command of commands) {
    command()
    expect(session.notice).toBeNull()
    await until(() => session.notice === 'Not now.')
  }
})

test('failure 24: a session that was dropped is told so, and goes on when it is seen again', async () => {
  const names = Array.from({ length: MAX_FOLLOWED + 6 }, (_, n) => `s_${n}`)
  names.forEach((name) => server.begin(name))
  const page = browser.open(server.api)
  const cells = names.map((name) => page.open(name, () => undefined))
  const first = cells[0] as Handle
  first.see(true)
  const states = (state: string) => cells.filter(({ session }) => session.state === state)
  await until(() => states('live').length === MAX_FOLLOWED && states('idle').length === 6)
  const dropped = states('idle')[0] as Handle
  expect(first.session.state).toBe('live')
  server.say(dropped.session.id, 'meanwhile')
  dropped.see(true)
  await until(() => dropped.session.state === 'live' && text(dropped) === 'meanwhile')
  server.say(dropped.session.id, ' and then')
  await until(() => text(dropped) === 'meanwhile and then')
  expect(first.session.state).toBe('live')
  expect(states('live')).toHaveLength(MAX_FOLLOWED)
  names.forEach((name) => server.end(name))
  for (const cell of cells) {
    cell.see(true)
    await until(() => !cell.session.running)
    isTrue(cell)
  }
  expect(Math.max(...server.requests.map(({ query }) => query.getAll('after').length))).toBe(MAX_FOLLOWED)
})

async function opened(): Promise<Handle> {
  server.begin('s')
  const handle = show(browser.open(server.api), 's')
  await until(() => handle.session.state === 'live')
  return handle
}

function waiting({ transcript }: Session): string[] {
  return (transcript?.queue ?? []).map(({ parts }) => (parts[0] as TextPart).text)
}

/** The server does what it is asked for first, and its answer does not arrive. */
function losesTheFirstAnswer(): ChatServer['answer'] {
  let lost = false
  return (request, response) => {
    if (request.method === 'GET' || lost) return false
    lost = true
    response.end = () => response.destroy()
    return false
  }
}

/** A call that asks, and one that waits for the person. */
function ask(): void {
  server.append(
    's',
    { type: 'tool-input-available', turn: 't_1', toolCallId: 'c/1', toolName: 'run', input: {} },
    { type: 'tool-approval-request', turn: 't_1', toolCallId: 'c/1', approvalId: 'a/1' },
    { type: 'tool-input-available', turn: 't_1', toolCallId: 'c/2', toolName: 'ask_user', input: {} },
    { type: 'tool-waiting', turn: 't_1', toolCallId: 'c/2', waitsFor: 'person' },
  )
}

const call = (session: Session, id: string) =>
  session.transcript?.messages.at(-1)?.parts.find((part) => part.type === 'dynamic-tool' && part.toolCallId === id) as ToolPart | undefined

test('an approval is answered, also when the answer of the server got lost', async () => {
  const { session } = await opened()
  ask()
  await until(() => session.transcript?.approvals.length === 1)
  server.answer = losesTheFirstAnswer()
  expect(await session.approve('a/1', false, 'not now')).toBe(true)
  await until(() => session.transcript?.approvals.length === 0)
  expect(call(session, 'c/1')?.approval).toMatchObject({ approved: false, reason: 'not now' })
})

test('what cannot be said any more is said', async () => {
  const { session } = await opened()
  ask()
  await until(() => session.transcript?.approvals.length === 1)
  server.answer = (request, response) => {
    if (request.method !== 'POST') return false
    reply(response, 409, { message: 'Ada has denied it already.', code: 'already-answered' })
    return true
  }
  expect(await session.approve('a/1', true)).toBe(false)
  expect(session.notice).toBe('Ada has denied it already.')
})

test('a call is given its result', async () => {
  const { session } = await opened()
  ask()
  await until(() => call(session, 'c/2')?.waitsFor === 'person')
  const output = { action: 'accept', answers: { 1: 'Bars' } }
  expect(await session.answerCall('c/2', output)).toBe(true)
  await until(() => call(session, 'c/2')?.state === 'output-available')
  expect(call(session, 'c/2')?.output).toEqual(output)
})

test('who answers, and how, is chosen for everyone', async () => {
  const { session } = await opened()
  session.choose({ agent: 'other', model: null, effort: 'high', mode: 'plan' })
  await until(() => session.transcript?.mode === 'plan')
  expect(session.transcript).toMatchObject({ agent: 'other', model: null, effort: 'high' })
})

test('who can answer is asked once for a page, and again when that is wanted', async () => {
  const page = browser.open(server.api)
  server.begin('s')
  server.begin('t')
  const [one, two] = [show(page, 's').session, show(page, 't').session]
  const asked = () => server.requests.filter(({ path }) => path === '/agents').length
  expect((await one.agents(false)).default).toBe('demo')
  await two.agents(false)
  expect(asked()).toBe(1)
  await two.agents(true)
  expect(asked()).toBe(2)
  server.answer = (_, response, url) => {
    if (!url.pathname.endsWith('/agents')) return false
    reply(response, 503, { message: 'No agents now.', code: 'busy' })
    return true
  }
  await expect(one.agents(true)).rejects.toThrow('No agents now.')
  server.answer = () => false
  expect((await one.agents(false)).default).toBe('demo')
})

test('a file is stored as it is, sent as a part, and read again', async () => {
  const { session } = await opened()
  const bytes = new Uint8Array([0, 255, 10, 13])
  const file = new File([bytes], 'ü &.png', { type: 'image/png' })
  const part = await session.upload(file, new AbortController().signal)
  expect(part).toEqual({ type: 'file', mediaType: 'image/png', url: `attachment:${'ab'.repeat(32)}`, filename: 'ü &.png' })
  server.end('s')
  session.send('', { parts: [part] })
  await until(() => session.outbox.length === 0 && session.transcript?.messages.at(-1)?.role === 'user')
  expect(session.transcript?.messages.at(-1)?.parts.slice(1)).toEqual([part])
  const read = await session.attachment(part.url, new AbortController().signal)
  expect(new Uint8Array(await read.arrayBuffer())).toEqual(bytes)
  expect(server.requests.filter(({ path }) => path.includes('attachments')).map(({ xsrf }) => xsrf)).toEqual(['2|ab|12', '2|ab|12'])
})

test('the conversation as a file comes under the name that the server gives it', async () => {
  const { session } = await opened()
  let disposition = "attachment; filename=\"chat.md\"; filename*=UTF-8''%C3%9Cber%20x%3B.md"
  server.answer = (_, response, url) => {
    if (!url.pathname.endsWith('/sessions/s/export')) return false
    response.writeHead(200, { 'Content-Type': 'text/markdown', 'Content-Disposition': disposition })
    response.end(`as ${url.searchParams.get('format')}`)
    return true
  }
  const { signal } = new AbortController()
  const file = await session.exported('md', signal)
  expect([file.name, await file.bytes.text()]).toEqual(['Über x;.md', 'as md'])
  expect(server.requests.at(-1)?.xsrf).toBe('2|ab|12')
  for (disposition of ['attachment', "attachment; filename*=UTF-8''%zz"]) {
    expect((await session.exported('ipynb', signal)).name).toBe('chat.ipynb')
  }
  server.answer = (_, response) => {
    reply(response, 503, { message: 'The folder of the attachments cannot be used.', code: 'attachments-unavailable' })
    return true
  }
  await expect(session.exported('json', signal)).rejects.toThrow('cannot be used')
})

test('a session that begins with this one has a page of its own', async () => {
  const { session } = await opened()
  server.answer = (_, response, url) => {
    if (!url.pathname.endsWith('/sessions/s/fork')) return false
    reply(response, 201, { id: 's_new' })
    return true
  }
  const { session: id, page } = await session.fork('a_1')
  expect([id, page]).toEqual(['s_new', new URL('../s/s_new', server.api).href])
  server.answer = (_, response) => {
    reply(response, 404, { message: 'This chat shows no message a_1.', code: 'unknown-message' })
    return true
  }
  await expect(session.fork('a_1')).rejects.toThrow('shows no message')
})

test('a file that is refused, or is none of ours, is said', async () => {
  const { session } = await opened()
  server.answer = (request, response, url) => {
    if (!url.pathname.includes('attachments')) return false
    request.resume()
    reply(response, 413, { message: 'The file has 5 bytes; 4 are allowed.', code: 'too-large' })
    return true
  }
  const { signal } = new AbortController()
  await expect(session.upload(new File(['bytes'], 'a'), signal)).rejects.toThrow('4 are allowed')
  server.answer = () => false
  await expect(session.attachment(`attachment:${'c'.repeat(64)}`, signal)).rejects.toThrow('no such attachment')
  const before = server.requests.length
  for (const url of ['attachment:../../x', `attachment:${'c'.repeat(64)}/x`, 'https://a.example', 'attachment:']) {
    await expect(session.attachment(url, signal)).rejects.toThrow('not the address')
  }
  expect(server.requests.length).toBe(before)
})
