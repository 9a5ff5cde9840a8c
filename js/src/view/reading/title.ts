/** The file that a code fence's info names, perhaps with folders; empty where it names none. */

import { PATH } from '../fences'

const ATTRIBUTE = /(?<![\w-])(?:title|file|filename)\s*=\s*(?:"([^"]*)"|'([^']*)'|([^\s,}"']+))/i

/** `python title="x.py"`, `{r, file="x.R"}`, `js:src/x.js`, `python x.py` and `src/x.py` all name one. */
export function titleOf(info: string): string {
  const given = ATTRIBUTE.exec(info)
  if (given) return given[1] ?? given[2] ?? given[3] ?? ''
  const [word = '', next = ''] = info.trim().split(/\s+/)
  if (PATH.test(word)) return word
  return /^[^\s{}:=]+:([\w.@~/-]+)$/.exec(word)?.[1] ?? (/^[\w@~/-]+\.\w{1,8}$/.test(next) ? next : '')
}
