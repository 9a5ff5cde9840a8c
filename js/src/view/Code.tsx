/** Text that is no Markdown: code with its colours, data, output. Text nodes only, whatever it holds. */

import { useLayoutEffect, useRef } from 'preact/hooks'
import { words } from '../words'
import { number } from '../words/numbers'
import { highlight } from './highlight'
import { Icon } from './Icon'
import { Data } from './late'
import { readable, UnseenNote } from './Readable'
import { mark } from './unseen'

/** Longer data is cut: a page is no pager. */
const LONGEST = 20_000

export function Code({ text, language }: { text: string; language: string }) {
  const code = useRef<HTMLElement>(null)
  const shown = cut(text)
  useLayoutEffect(() => {
    if (!code.current) return
    code.current.textContent = shown
    mark(code.current)
    code.current.dataset['jdcLang'] = language
    highlight(code.current)
  }, [shown, language])
  return (
    <div class="jdc-code">
      <pre tabIndex={0}>
        <code ref={code} />
      </pre>
      <div class="jdc-tools">
        <button type="button" class="jdc-copy" aria-label={words.copyCode} title={words.copyCode}>
          <Icon name="copy" />
          <Icon name="check" />
        </button>
      </div>
      <UnseenNote code={shown} />
    </div>
  )
}

/** A value under its name. */
export function Json({ label, value }: { label: string; value: unknown }) {
  if (value === undefined) return null
  if (typeof value === 'object' && value !== null && Object.keys(value).length > 0) return <Data label={label} value={value} />
  return (
    <div class="jdc-json">
      <span>{label}</span>
      <pre tabIndex={0} dir="auto">{readable(cut(typeof value === 'string' ? value : JSON.stringify(value)))}</pre>
    </div>
  )
}

function cut(text: string): string {
  const rest = text.length - LONGEST
  return rest > 0 ? `${text.slice(0, LONGEST)}\n${words.moreCharacters(number(rest))}` : text
}
