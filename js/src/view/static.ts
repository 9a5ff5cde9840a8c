/**
 * A transcript for viewers that run nothing: Markdown and plain text (`html.ts` has the third).
 *
 * The same words as `jupyter_durable_chat/notebook/render.py`; `tests/vectors/static/static.json` holds both to the
 * same strings. What a model or a file wrote cannot leave its place: an unclosed fence is closed, a title or an error
 * stays in its line, control characters (a terminal would obey them) are gone.
 */

import type { Part, Transcript, UIMessage } from '../transcript'

export const EMPTY = 'No messages yet.'
const RUNNING = 'still answering'

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
  ['output-available', 'done'],
  ['output-error', 'failed'],
  ['output-denied', 'denied'],
])

/** The messages to show: all of them, or one turn's. */
export function messagesOf(transcript: Transcript, turn: string | null): UIMessage[] {
  return turn === null ? transcript.messages : transcript.messages.filter((message) => message.metadata.turn === turn)
}

/** What became of an answer, in words; nothing for one that is complete, and for what a person said. */
export function outcomeOf({ role, metadata }: UIMessage): string {
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
    text: closeFence,
    aside: (text) => `*${escape(line(text))}*`,
    link: (label, url) => `*${escape(line(label))}: <${url}>*`,
  })
}

export function toText(transcript: Transcript, turn: string | null): string {
  return write(transcript, turn, {
    name: (role) => `${role}:\n`,
    text: (text) => text,
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
  const messages = messagesOf(transcript, turn)
  const omitted = leftOut(transcript, turn)
  const blocks = messages.map((message) => writeMessage(message, format))
  if (omitted) blocks.unshift(format.aside(omitted))
  return blocks.length > 0 ? blocks.join('\n\n') : format.aside(EMPTY)
}

function writeMessage(message: UIMessage, format: Format): string {
  const outcome = outcomeOf(message)
  const blocks = message.parts.map((part) => writePart(part, format))
  if (outcome) blocks.push(format.aside(outcome))
  return format.name(message.role === 'user' ? 'You' : 'Assistant') + blocks.filter(Boolean).join('\n\n')
}

function writePart(part: Part, format: Format): string {
  if (part.type === 'text') return format.text(trim(clean(part.text)))
  if (part.type === 'source-url' && WEB.test(part.url)) {
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
  return clean(text).split(/[ \t\n]+/).filter(Boolean).join(' ')
}

function escape(text: string): string {
  return text.replace(/[\\`*_[\]<>$~]/g, '\\$&')
}

/** Closes a code fence that is still open at the end, so that what follows is not code. */
function closeFence(text: string): string {
  let open = ''
  for (const row of text.split('\n')) {
    const [, fence, info] = /^ {0,3}(`{3,}|~{3,})([^\n]*)$/.exec(row) ?? []
    if (!fence || info === undefined) continue
    if (!open) open = fence[0] === '`' && info.includes('`') ? '' : fence
    else if (fence[0] === open[0] && fence.length >= open.length && !/[^ \t]/.test(info)) open = ''
  }
  return open ? `${text}\n${open}` : text
}
