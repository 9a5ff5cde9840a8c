/**
 * A transcript as HTML for viewers that run nothing: GitHub, nbviewer, nbconvert. No script, no class, no address that
 * would be fetched; it reads well where its styles are taken away, and formulas are TeX, which many viewers set.
 */

import type { Part, Transcript, UIMessage } from '../transcript'
import { leadsTo } from './links'
import { blockByBlock, noLinks } from './markdown'
import { legible } from './markup'
import { escapeHtml, isInlineImage, linkAttributes, outsideUrl, sanitize } from './sanitize'
import { asideOf, EMPTY, leftOut, stated } from './static'
import { named } from './unseen'

const PAGE = 'max-width: 60em; line-height: 1.5'
const MESSAGE = 'margin: 0 0 1em'
const BUBBLE =
  'margin: 0 0 1em; padding: .5em .9em; border-radius: .7em; background: rgba(128, 128, 128, .15); ' +
  'white-space: pre-wrap; overflow-wrap: anywhere'
const ASIDE = 'opacity: .7'
const CODE = 'margin: 0 0 1em; padding: .6em .9em; border-radius: .4em; background: rgba(128, 128, 128, .12); overflow-x: auto'

export function toHtml(transcript: Transcript, turn: string | null): string {
  return [...pieces(transcript, turn)].join('')
}

/** The HTML in small steps, one behind the other: of a long conversation, all of it takes a while. */
export function* pieces(transcript: Transcript, turn: string | null): Generator<string> {
  const omitted = leftOut(transcript, turn)
  const messages = stated(transcript, turn)
  yield `<div style="${PAGE}">\n${omitted ? `${aside(omitted)}\n` : ''}`
  if (messages.length === 0) yield aside(EMPTY)
  for (const [index, [message, state]] of messages.entries()) {
    if (index > 0) yield '\n'
    yield* messageHtml(message, state)
  }
  yield '\n</div>'
}

function* messageHtml(message: UIMessage, state: string): Generator<string> {
  yield `<div style="${MESSAGE}"><p><strong>${message.role === 'user' ? 'You' : 'Assistant'}</strong></p>\n`
  for (const part of message.parts) yield* partHtml(part, message.role)
  yield `${state ? aside(state) : ''}</div>`
}

function* partHtml(part: Part, role: UIMessage['role']): Generator<string> {
  if (part.type === 'text' && role === 'user') yield `<div style="${BUBBLE}">${escapeHtml(legible(part.text))}</div>\n`
  else if (part.type === 'text') yield* markdownHtml(part.text)
  else if (part.type === 'reasoning' && part.text) {
    yield '<details><summary>Reasoning</summary>'
    yield* markdownHtml(part.text)
    yield '</details>\n'
  } else if (part.type === 'file' && part.mediaType.startsWith('image/') && isInlineImage(part.url)) {
    yield `<p><img alt="${escapeHtml(part.filename ?? '')}" src="${escapeHtml(part.url)}"></p>\n`
  } else {
    const text = asideOf(part)
    if (text) yield aside(text, part.type === 'source-url' ? part.url : '')
  }
}

function aside(text: string, address = ''): string {
  const url = outsideUrl(address)
  const host = url ? leadsTo(text, url) : ''
  const said = escapeHtml(named(host ? `${text} (${host})` : text))
  const inner = url ? `<a${attributes(linkAttributes(url))}>${said}</a>` : said
  return `<p style="${ASIDE}"><em>${inner}</em></p>\n`
}

function attributes(values: Record<string, string>): string {
  return Object.entries(values)
    .map(([name, value]) => ` ${name}="${escapeHtml(value)}"`)
    .join('')
}

function* markdownHtml(text: string): Generator<string> {
  for (const block of blockByBlock(legible(text), noLinks(), 'whole')) yield block === null ? '' : blockHtml(block.html)
}

function blockHtml(html: string): string {
  const root = document.createElement('div')
  root.append(sanitize(html))
  for (const code of root.querySelectorAll('code')) if (!code.querySelector('*')) code.textContent = named(code.textContent ?? '')
  for (const pre of root.querySelectorAll('pre')) pre.style.cssText = CODE
  for (const cell of root.querySelectorAll<HTMLTableCellElement>('th, td')) cell.style.textAlign = cell.align || 'left' // nbconvert aligns to the right
  for (const link of root.querySelectorAll('a')) {
    const host = URL.canParse(link.href) ? leadsTo(link.textContent ?? '', new URL(link.href)) : ''
    if (host) link.append(` (${host})`)
  }
  for (const image of root.querySelectorAll('img:not([src])')) image.replaceWith(image.getAttribute('alt') || 'image')
  for (const element of root.querySelectorAll('[data-jdc-tex], [data-jdc-lang], [data-jdc-task], [data-jdc-mark], [data-jdc-note]')) {
    for (const name of element.getAttributeNames()) element.removeAttribute(name)
  }
  return root.innerHTML
}
