/**
 * What a screen reader says: that an answer begins, its sentences while the person is in this chat, what it waits for, and
 * how it ended; never its tokens, and never the answers of chats beside it.
 */

import { useEffect, useRef, useState } from 'preact/hooks'
import { Lazy } from '../lazy'
import { textsOf, type ToolPart, type Transcript, type Turn, type UIMessage } from '../transcript'
import { withWords, words } from '../words'
import type { Speech } from './speech'
import { waitingWords } from './waits'

const speeches = new Lazy(() => withWords(import('./speech')))

interface Props {
  transcript: Transcript | null
  /** The running turn, if it is one that is shown. */
  turn: Turn | null
  waiting: ToolPart[]
}

export function Announcement({ transcript, turn, waiting }: Props) {
  const element = useRef<HTMLDivElement>(null)
  const [text, setText] = useState('')
  const speech = useRef<Speech | null>(null)
  const begun = useRef<Turn | null>(null)
  const mounted = useRef(false)
  const id = turn?.id ?? null
  const message = turn && answerOf(transcript, turn)
  const source = useRef('')
  source.current = message ? textsOf(message).join('\n\n') : ''

  useEffect(() => {
    // Of a queue, one answer may end and the next begin between two paints.
    const before = begun.current
    if (before && before.id !== id) {
      const ended = ending(answerOf(transcript, before))
      if (speech.current) speech.current.end(ended)
      else setText(ended)
      speech.current = null
    }
    begun.current = turn
    if (!turn || before?.id === id) return
    const old = turn.continues || !mounted.current ? source.current : ''
    void speeches.load().then(({ Speech }) => {
      if (begun.current?.id !== turn.id) return
      speech.current = new Speech(setText, () => element.current?.closest('.jdc-chat')?.matches(':focus-within') ?? false)
      speech.current.skip(old)
      speech.current.hear(source.current)
    })
  }, [id])
  useEffect(() => speech.current?.hear(source.current), [source.current])
  const waits = waiting.map(waitingWords).join('. ')
  useEffect(() => {
    if (turn) setText(waits || words.answering)
  }, [id, waits])
  useEffect(() => {
    mounted.current = true
    return () => {
      begun.current = null
      speech.current?.stop()
    }
  }, [])
  return (
    <div class="jdc-announcement" role="status" ref={element}>
      {text}
    </div>
  )
}

function answerOf(transcript: Transcript | null, { message_id }: Turn): UIMessage | undefined {
  return [...(transcript?.messages ?? []), ...(transcript?.others ?? [])].find(({ id }) => id === message_id)
}

function ending(message: UIMessage | undefined): string {
  const { outcome, error } = message?.metadata ?? {}
  const over = outcome ? words.endings[outcome] : words.answerOver
  return error ? `${over}: ${error.text}` : over
}
