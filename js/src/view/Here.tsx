/** Who else is there, and who of them is typing. A screen reader says the latter when it has time, the former when asked. */

import type { Person } from '../connection/protocol'
import { words } from '../words'
import { number } from '../words/numbers'
import { nameOf } from './people'
import { Avatar } from './Person'
import { readable } from './Readable'

/** People that there is room for. */
const SHOWN = 4

export function Here({ others }: { others: readonly Person[] }) {
  const shown = others.length > SHOWN ? others.slice(0, SHOWN - 1) : others
  const rest = others.slice(shown.length)
  const typing = others.filter((person) => person.typing)
  return (
    <div class="jdc-people">
      <span class="jdc-typing" role="status">
        {readable(typingWords(typing))}
      </span>
      <ul aria-label={words.alsoHere}>
        {shown.map((person) => (
          <li key={person.username} data-username={person.username} data-typing={person.typing || undefined} title={titleOf(person)}>
            <Avatar person={person} />
            <span class="jdc-unseen">{readable(nameOf(person))}</span>
          </li>
        ))}
        {rest.length > 0 && (
          <li class="jdc-more-people" title={rest.map(titleOf).join('\n')}>
            {words.morePeople(number(rest.length))}
          </li>
        )}
      </ul>
    </div>
  )
}

function titleOf(person: Person): string {
  const name = nameOf(person)
  return name === person.username ? name : `${name} (${person.username})`
}

function typingWords(typing: readonly Person[]): string {
  const [one, other, ...more] = typing.map(nameOf)
  if (one === undefined) return ''
  if (other === undefined) return words.isTyping(one)
  return more.length > 0 ? words.severalTyping : words.areTyping(one, other)
}
