/**
 * What takes a browser long only the first time, done while the first chat is on its way: it compiles expressions, and looks
 * up how numbers and times are written.
 */

import { moment, number } from '../words/numbers'
import { MarkdownStream } from './stream'

/** Some of everything that needs nothing more to be fetched. */
const TEXT = '# a\n\n**a** *b* `c` [d](https://a.example)\n\n- a\n- b\n\n1. a\n\n> a\n'

export function rehearse(): void {
  number(0.5, 1)
  moment(new Date().toISOString())
  new MarkdownStream(document.createElement('div')).update(TEXT, true)
}
