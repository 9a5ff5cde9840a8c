/** What went wrong, first in a line or two; where it came from is folded. */

import { words } from '../words'
import { Fold } from './Fold'
import { readable } from './Readable'

/** More than this is not read at a glance. */
const LINES = 4
const CHARACTERS = 400

const TRACEBACK = 'Traceback (most recent call last)'
/** The line of Python that says what it was. */
const RAISED = /^[A-Za-z_][\w.]*(?:Error|Exception|Interrupt|Warning|Exit|Stopped|Timeout)\b/

export function isTraceback(text: string): boolean {
  return text.includes(TRACEBACK)
}

export function Trouble({ text }: { text: string }) {
  const message = messageOf(text)
  return (
    <div class="jdc-tool-error" dir="auto">
      {readable(message)}
      {message !== text && (
        <Fold class="jdc-trouble" summary={<span>{isTraceback(text) ? words.traceback : words.wholeError}</span>}>
          {() => <pre tabIndex={0} dir="ltr">{readable(text)}</pre>}
        </Fold>
      )}
    </div>
  )
}

function messageOf(text: string): string {
  const lines = text.trimEnd().split('\n')
  if (isTraceback(text)) {
    const raised = lines.findLastIndex((line) => RAISED.test(line))
    return begin((raised < 0 ? lines.slice(-1) : lines.slice(raised)).join('\n'))
  }
  return lines.length > LINES || text.length > CHARACTERS ? begin(text) : text
}

function begin(text: string): string {
  const lines = text.split('\n')
  const some = lines.slice(0, LINES).join('\n')
  if (lines.length <= LINES && text.length <= CHARACTERS) return text
  return `${some.slice(0, CHARACTERS)}…`
}
