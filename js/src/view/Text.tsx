/** A model's text. */

import { useLayoutEffect, useRef } from 'preact/hooks'
import { memo } from './memo'
import { MarkdownStream } from './stream'

interface Props {
  text: string
  done: boolean
}

/** The element has no children that Preact knows of: the stream draws them. */
export const Text = memo(({ text, done }: Props) => {
  const element = useRef<HTMLDivElement>(null)
  const stream = useRef<MarkdownStream | null>(null)
  useLayoutEffect(() => {
    stream.current ??= new MarkdownStream(element.current as HTMLDivElement)
    stream.current.update(text, done)
  }, [text, done])
  useLayoutEffect(() => () => stream.current?.stop(), [])
  return <div class={done ? 'jdc-text jdc-markdown' : 'jdc-text jdc-markdown jdc-growing'} ref={element} />
})
