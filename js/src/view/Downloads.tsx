/** The conversation as a file: in which form, and why there is none. */

import { useContext, useEffect, useLayoutEffect, useRef, useState } from 'preact/hooks'
import { words } from '../words'
import { Desk } from './desk'
import { closedByEscape } from './escape'
import type { FileFormat } from './types'

const FORMATS: FileFormat[] = ['md', 'html', 'ipynb', 'json']

interface Props {
  /** Gives a file to be saved. */
  offer(bytes: Blob, name: string): void
  close(): void
}

export function Downloads({ offer, close }: Props) {
  const actions = useContext(Desk)
  const [coming, setComing] = useState<FileFormat | null>(null)
  const [problem, setProblem] = useState('')
  const element = useRef<HTMLDivElement>(null)
  const closing = useRef(new AbortController())
  useLayoutEffect(() => element.current?.querySelector('button')?.focus({ preventScroll: true }), [])
  useEffect(() => () => closing.current.abort(), [])
  const save = async (format: FileFormat) => {
    if (!actions || coming) return
    setComing(format)
    setProblem('')
    const { signal } = closing.current
    try {
      const { bytes, name } = await actions.exported(format, signal)
      if (signal.aborted) return
      offer(bytes, name)
      close()
    } catch (error) {
      if (signal.aborted) return
      setProblem((error as Error).message)
      setComing(null)
    }
  }
  return (
    <div
      ref={element}
      class="jdc-outline jdc-downloads"
      role="dialog"
      aria-label={words.downloadChat}
      onKeyDown={closedByEscape(close)}
    >
      <ul>
        {FORMATS.map((format) => (
          <li key={format}>
            <button
              type="button"
              data-format={format}
              aria-disabled={coming !== null}
              onClick={() => void save(format)}
            >
              <b>{words.fileFormats[format][0]}</b>
              <span>{coming === format ? words.fileComes : words.fileFormats[format][1]}</span>
            </button>
          </li>
        ))}
      </ul>
      {problem && (
        <p class="jdc-tool-note" role="alert">
          {problem}
        </p>
      )}
    </div>
  )
}
