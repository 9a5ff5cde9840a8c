/** A button that copies a text, and shows that it did. */

import { useEffect, useRef, useState } from 'preact/hooks'
import { words } from '../words'
import { copyText } from './clipboard'
import { IconButton } from './IconButton'

interface Props {
  class?: string
  label: string
  text(): string
}

export function CopyButton({ class: name = '', label, text }: Props) {
  const [copied, copy] = useCopy<true>()
  return (
    <>
      <IconButton icon={copied ? 'check' : 'copy'} class={name} label={label} onClick={() => copy(text(), true)} />
      <Copied copied={copied !== null} />
    </>
  )
}

/** For who does not see it. */
export function Copied({ copied }: { copied: boolean }) {
  return (
    <span class="jdc-unseen" role="status">
      {copied && words.copied}
    </span>
  )
}

/** What was copied just now, and how to copy. */
export function useCopy<What>(): [What | null, (text: string, what: What) => void] {
  const [copied, setCopied] = useState<What | null>(null)
  const timer = useRef<ReturnType<typeof setTimeout> | undefined>(undefined)
  useEffect(() => () => clearTimeout(timer.current), [])
  const copy = async (text: string, what: What) => {
    if (!(await copyText(text))) return
    setCopied(what)
    clearTimeout(timer.current)
    timer.current = setTimeout(() => setCopied(null), 1500)
  }
  return [copied, (text, what) => void copy(text, what)]
}
