/**
 * A transcript for viewers that run nothing: Markdown and plain text (`html.ts` has the third).
 *
 * The same words as `jupyter_durable_chat/readable/text.py`; `tests/vectors/static/static.json` holds both to the
 * same strings. What a model or a file wrote cannot leave its place: an unclosed fence is closed, a title or an error
 * stays in its line, control characters (a terminal would obey them) are gone.
 */

import { isOfTurn, type Part, type Transcript, type UIMessage } from '../transcript'
import { harmless, legible } from './markup'
import { labelOf, messagesOf } from './shown'
import { named } from './unseen'

export const EMPTY = 'No messages yet.'
const RUNNING = 'still answering'
const WAITING = 'waits for its turn'
const HELD = 'waits for its turn: the queue is held'
const REMOVED = 'removed from the queue'

const OUTCOMES = new Map([
  ['completed', ''],
  ['stopped', 'stopped'],
  ['failed', 'failed'],
  ['truncated', 'truncated: the answer broke off'],
  ['interrupted', 'interrupted: the server ended in the middle of the answer'],
])

const TOOL_STATES = new Map([
  ['input-streaming', 'called'],
  ['input-available', 'called'],
  ['approval-requested', 'waits for approval'],
  ['approval-responded', 'called'],
  ['output-available', 'done'],
  ['output-error', 'failed'],
  ['output-denied', 'denied'],
])

/** One turn's question that was not asked yet, and why. */
function waitingOf({ queue, removed, held }: Transcript, turn: string | null): [UIMessage, string][] {
  if (turn === null) return []
  const asked = queue.map((message): [UIMessage, string] => [message, held === null ? WAITING : HELD])
  const gone = removed.map((message): [UIMessage, string] => [message, REMOVED])
  return [...asked, ...gone].filter(([message]) => isOfTurn(message, turn))
}

/** What is drawn for a transcript, each message with what there is to say of it. */
export function stated(transcript: Transcript, turn: string | null): [UIMessage, string][] {
  const said = messagesOf(transcript, turn).map((message): [UIMessage, string] => [message, outcomeOf(message)])
  return [...said, ...waitingOf(transcript, turn)]
}

/** What became of an answer, in words; nothing for one that is complete, and for what a person said. */
function outcomeOf({ role, metadata }: UIMessage): string {
  if (role === 'user') return ''
  const { outcome, error } = metadata
  if (outcome === undefined) return RUNNING
  return error ? `${outcome}: ${error.text}` : (OUTCOMES.get(outcome) ?? outcome)
}

/** What a saved snapshot left out to stay small. */
export function leftOut({ omitted }: Transcript, turn: string | null): string {
  if (!omitted || turn !== null) return ''
  return omitted === 1 ? '1 earlier message is left out' : `${omitted} earlier messages are left out`
}

export function toMarkdown(transcript: Transcript, turn: string | null): string {
  return write(transcript, turn, {
    name: (role) => `**${role}**\n\n`,
    text: harmless,
    aside: (text) => `*${escape(line(text))}*`,
    link: (label, url) => `*${escape(line(label))}: <${url}>*`,
  })
}

export function toText(transcript: Transcript, turn: string | null): string {
  return write(transcript, turn, {
    name: (role) => `${role}:\n`,
    text: legible,
    aside: (text) => `[${line(text)}]`,
    link: (label, url) => `[${line(label)}: ${url}]`,
  })
}

interface Format {
  name(role: string): string
  text(text: string): string
  aside(text: string): string
  link(label: string, url: string): string
}

function write(transcript: Transcript, turn: string | null, format: Format): string {
  const omitted = leftOut(transcript, turn)
  const blocks = stated(transcript, turn).map(([message, state]) => writeMessage(message, state, format))
  if (omitted) blocks.unshift(format.aside(omitted))
  return blocks.length > 0 ? blocks.join('\n\n') : format.aside(EMPTY)
}

function writeMessage(message: UIMessage, state: string, format: Format): string {
  const blocks = message.parts.map((part) => writePart(part, format))
  if (state) blocks.push(format.aside(state))
  return format.name(message.role === 'user' ? 'You' : 'Assistant') + blocks.filter(Boolean).join('\n\n')
}

function writePart(part: Part, format: Format): string {
  if (part.type === 'text') return format.text(trim(clean(part.text)))
  if (part.type === 'source-url' && WEB.test(part.url) && named(part.url) === part.url) {
    return format.link(part.title ? `source ${part.title}` : 'source', part.url)
  }
  const aside = asideOf(part)
  return aside ? format.aside(aside) : ''
}

/** A part that is no text, in a line; nothing for one that is not kept. */
export function asideOf(part: Part): string {
  switch (part.type) {
    case 'dynamic-tool': {
      const state = TOOL_STATES.get(part.state) ?? part.state
      return `tool ${part.toolName}: ${part.errorText ? `${state}: ${part.errorText}` : state}`
    }
    case 'source-url':
      return `source: ${part.title || part.url}`
    case 'source-document':
      return `source: ${part.title}`
    case 'file':
      return `file: ${part.filename || part.mediaType}`
    case 'data-cell':
    case 'data-variable':
      return `attached: ${labelOf(part.data) || 'without a name'}`
    default:
      return ''
  }
}

const WEB = /^https?:\/\/[^\x00-\x20<>\x7f-\x9f]+$/

/** Line ends as `\n`, and no other control character but the tab. */
function clean(text: string): string {
  return text.replace(/\r\n?/g, '\n').replace(/[\x00-\x08\x0b-\x1f\x7f-\x9f]/g, '')
}

/** Without blank lines in front and blanks behind; the indent of the first line is kept, it may be code. */
function trim(text: string): string {
  let end = text.length
  while (end > 0 && ' \t\n'.includes(text[end - 1]!)) end--
  return text.slice(0, end).replace(/^(?:[ \t]*\n)+/, '')
}

function line(text: string): string {
  return named(clean(text).split(/[ \t\n]+/).filter(Boolean).join(' '))
}

function escape(text: string): string {
  return text.replace(/[\\`*_[\]<>$~]/g, '\\$&')
}
