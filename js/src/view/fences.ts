/** The language in a code fence's info, in lower case; empty where none is named. */

/** A word with folders is a file's name, and says its language with its ending. */
export const PATH = /^[\w.@~-]*(?:\/[\w.@~-]+)+$/
/** What names a file, or is meant for somebody else. */
const ATTRIBUTE = /(?<![\w-])[\w-]+\s*=\s*(?:"[^"]*"|'[^']*'|[^\s,}"']+)/g

/** `python title="x.py"`, `{r, file="x.R"}`, `js:src/x.js`, `src/x.py`, `.sql` and `c++` all name one. */
export function languageOf(info = ''): string {
  const [word = ''] = info.trim().split(/\s/)
  const name = PATH.test(word) ? /\.(\w+)$/.exec(word)?.[1] : /[^\s{}.,:=]+/.exec(info.replace(ATTRIBUTE, ' '))?.[0]
  return name?.toLowerCase() ?? ''
}
