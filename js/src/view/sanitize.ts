/**
 * The one gate for markup that a model, a person or a file wrote: what comes out runs nothing, fetches nothing, covers
 * nothing, submits nothing, and clashes with no id, class or name of the page.
 *
 * It is a list of what is allowed, kept by DOMPurify. The fragment belongs to a document that loads nothing until the
 * fragment is put into the page; an image of another host has lost its address by then (`data-jdc-src` has it).
 */

import DOMPurify from 'dompurify'

/** The elements that Markdown makes, and the few that people write in it. Any other tag is shown as text. */
export const TAGS =
  'a abbr b blockquote br caption cite code dd del div dl dt em h1 h2 h3 h4 h5 h6 hr i img ins kbd li mark ol p pre q ' +
  's samp small span strong sub sup table tbody td tfoot th thead tr u ul var wbr'

const ATTRIBUTES = (
  'align alt colspan data-jdc-display data-jdc-info data-jdc-lang data-jdc-mark data-jdc-note data-jdc-task data-jdc-tex ' +
  'dir height lang rowspan start title width'
).split(' ')

const text = DOMPurify(window)
text.setConfig({
  ALLOWED_TAGS: TAGS.split(' '),
  ALLOWED_ATTR: ['href', 'src', ...ATTRIBUTES],
  ALLOWED_URI_REGEXP: /^(?:https?|mailto):/i,
  ADD_URI_SAFE_ATTR: ATTRIBUTES, // the rest are no addresses
  ALLOW_ARIA_ATTR: false,
  ALLOW_DATA_ATTR: false,
  RETURN_DOM_FRAGMENT: true,
})
text.addHook('afterSanitizeAttributes', (element) => {
  if (element.nodeName === 'A') guardLink(element)
  else element.removeAttribute('href')
  if (element.nodeName === 'IMG') guardImage(element)
  else element.removeAttribute('src')
})

/** Markup to nodes. */
export function sanitize(html: string): DocumentFragment {
  return text.sanitize(html) as unknown as DocumentFragment
}

/** Text as markup that shows it. */
export function escapeHtml(text: string): string {
  return text.replace(/&/g, '&amp;').replace(/</g, '&lt;').replace(/>/g, '&gt;').replace(/"/g, '&quot;')
}

/** The address if a person may be sent there: absolute, and http, https or mailto. */
export function outsideUrl(url: string): URL | null {
  const parsed = URL.canParse(url) ? new URL(url) : null
  return parsed && ['http:', 'https:', 'mailto:'].includes(parsed.protocol) ? parsed : null
}

/** Whether it is an image whose bytes are in its address, of a kind that cannot hold a script. */
export function isInlineImage(url: string): boolean {
  return /^data:image\/(?:png|jpeg|gif|webp);base64,[a-z0-9+/=\s]*$/i.test(url)
}

/**
 * What makes a link open outside and say where it leads; put on every `<a>` of the view. What is in front of an `@` is for
 * no host that a person would read, but made to be taken for one.
 */
export function linkAttributes(url: URL): Record<'href' | 'target' | 'rel' | 'title', string> {
  const bare = new URL(url)
  bare.username = bare.password = ''
  return { href: bare.href, target: '_blank', rel: 'noopener noreferrer', title: bare.href }
}

function guardLink(link: Element): void {
  const url = outsideUrl(link.getAttribute('href') ?? '')
  link.removeAttribute('href')
  if (url) for (const [name, value] of Object.entries(linkAttributes(url))) link.setAttribute(name, value)
}

function guardImage(image: Element): void {
  const source = image.getAttribute('src') ?? ''
  image.removeAttribute('data-jdc-src')
  if (isInlineImage(source)) return
  image.removeAttribute('src')
  if (outsideUrl(source)) image.setAttribute('data-jdc-src', source)
}

/** What is drawn of what is attached: pictures in which no browser finds a program. */
export const isPicture = (mediaType: string) => /^image\/(?:png|jpeg|gif|webp)$/.test(mediaType)
