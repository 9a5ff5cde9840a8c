/**
 * Who is who: when a name has to be said, and what stands for a person beside it. A name, and a colour, may be of a hostile
 * file: a name is text, and of colours only the known ones, and plain hexadecimal, are drawn.
 */

import type { Author } from '../events'
import type { Transcript } from '../transcript'

/** How many colours there are for people: JupyterLab's for collaborators. */
const COLORS = 7

/** How a name begins that came with an imported file, and is nobody's here. */
const IMPORTED = 'imported:'

export type Signs = (author: Author | null | undefined) => boolean

/**
 * Whose names are said, in this conversation, to this user: those of others, and, where several people have written, all. Where the
 * server does not tell people apart (`null`), nobody's but of a file's; where there is no server to say (`undefined`), all if
 * people seem to be several.
 */
export function signsIn(transcript: Transcript | null, you: string | null | undefined): Signs {
  const said = [...(transcript?.messages ?? []), ...(transcript?.queue ?? [])]
  const authors = said.flatMap(({ role, metadata: { author } }) => (role === 'user' && author ? [author] : []))
  // In a notebook of one person, what code says is theirs.
  const people = new Set(authors.filter(({ via }) => you !== undefined || via !== 'kernel').map(({ username }) => username))
  const areSeveral = people.size > 1
  return (author) => {
    if (!author) return false
    if (author.username.startsWith(IMPORTED)) return true
    if (you === null) return false
    return areSeveral || (you !== undefined && author.username !== you)
  }
}

export function nameOf({ name, username }: Author): string {
  return name || username
}

/** The first letters of the first and of the last word. */
export function initials(author: Author): string {
  const words = nameOf(author).match(/[\p{L}\p{N}]+/gu) ?? ['?']
  const letters = words.length > 1 ? [words[0], words.at(-1)] : [words[0]]
  return letters.map((word) => [...(word ?? '')][0] ?? '').join('').toLocaleUpperCase()
}

/** Which of the known colours is this person's, or a colour of their own. Who has none always gets the same one. */
export function colorOf({ username, color }: Author): number | string {
  const [, known] = /^var\(--jp-collaborator-color([1-7])\)$/.exec(color ?? '') ?? []
  if (known) return Number(known)
  if (/^#[0-9a-f]{6}$/i.test(color ?? '')) return color as string
  let hash = 0
  for (const character of username) hash = (31 * hash + (character.codePointAt(0) ?? 0)) % 65_521
  return 1 + (hash % COLORS)
}
