/** A text of somebody else, in a place where every character counts: what nobody would see is shown by its name. */

import type { ComponentChildren } from 'preact'
import { words } from '../words'
import { namesIn, pieces } from './unseen'

export function readable(text: string): ComponentChildren {
  const all = pieces(text)
  if (all.every(({ name }) => name === null)) return text
  return all.map(({ text, name }, index) =>
    name === null ? (
      text
    ) : (
      <span key={index} class="jdc-invisible" data-jdc-invisible={name}>
        {text}
      </span>
    ),
  )
}

/** Says below a code that not all of it is to be seen; the place may be far to the right. */
export function UnseenNote({ code }: { code: string }) {
  const names = namesIn(code)
  return names ? <p class="jdc-invisible-note">{words.unseen(names)}</p> : null
}
