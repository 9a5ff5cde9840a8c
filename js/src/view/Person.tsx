/** A person, small: initials in their colour, and beside what they wrote, their name. */

import type { Author } from '../events'
import { words } from '../words'
import { colorOf, initials, nameOf } from './people'
import { readable } from './Readable'

export function Avatar({ person }: { person: Author }) {
  const color = colorOf(person)
  return (
    <span
      class="jdc-avatar"
      data-color={typeof color === 'number' ? color : undefined}
      style={typeof color === 'string' ? { '--jdc-person': color } : undefined}
      aria-hidden="true"
    >
      {initials(person)}
    </span>
  )
}

/** Two people may have one name; what Jupyter knows them by is different. */
export function Byline({ author }: { author: Author }) {
  return (
    <div class="jdc-author" title={author.username}>
      <Avatar person={author} />
      <bdi>{readable(authorName(author))}</bdi>
    </div>
  )
}

/** Who it was, as far as anybody knows: code in a notebook may be anybody's who can run it. */
export function authorName(author: Author): string {
  return author.via === 'kernel' ? words.fromNotebook(nameOf(author)) : nameOf(author)
}
