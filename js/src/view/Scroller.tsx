/**
 * The messages in a window of limited height: a chat does not take over a notebook. It follows the text until the person
 * scrolls up, offers the way back when there is news below, and its height can be dragged.
 */

import type { ComponentChildren } from 'preact'
import { useEffect, useLayoutEffect, useRef, useState } from 'preact/hooks'
import { words } from '../words'
import { Icon } from './Icon'
import { Grip } from './late'
import type { Position } from './position'

interface Props {
  position: Position
  /** Changes when the person has done something that belongs to the end. */
  jump: number
  label: string
  /** Text is coming. */
  busy: boolean
  /** Another object whenever there is more of it. */
  latest: unknown
  children: ComponentChildren
}

export function Scroller({ position, jump, label, busy, latest, children }: Props) {
  const read = useRef(latest)
  const coming = useRef({ busy, latest })
  coming.current = { busy, latest }
  const [news, setNews] = useState(false)
  const [overflows, setOverflows] = useState(false)

  useLayoutEffect(() => {
    const closing = new AbortController()
    const { current: box } = position.box
    position.watch(closing.signal)
    const moved = () => position.atEnd && setNews(false)
    const resized = () => {
      setOverflows(box !== null && box.scrollHeight > box.clientHeight + 1)
      const { busy, latest } = coming.current
      if (busy && latest !== read.current && !position.following && !position.atEnd) setNews(true)
      read.current = latest
    }
    const forget = position.listen({ moved, resized })
    // What a person unfolds, changes or compares, they read where it is.
    const onClick = ({ target }: Event) => {
      if (target instanceof Element && target.closest('summary, .jdc-edit, .jdc-versions')) position.stay()
    }
    box?.addEventListener('click', onClick)
    return () => {
      closing.abort()
      forget()
      box?.removeEventListener('click', onClick)
    }
  }, [])

  useEffect(() => {
    if (jump === 0) return
    position.toTheEnd()
    // The button that was pressed in here is about to go; the focus is not to go with it.
    const { current: box } = position.box
    if (box?.matches(':focus-within')) box.focus({ preventScroll: true })
  }, [jump])

  return (
    <div class="jdc-window">
      <div class="jdc-scroll" ref={position.box} tabIndex={0} role="log" aria-live="off" aria-label={label}>
        <div class="jdc-messages" ref={position.content}>
          {children}
        </div>
      </div>
      {news && (
        <button type="button" class="jdc-below" onClick={() => position.toTheEnd()}>
          <Icon name="down" /> {words.newBelow}
        </button>
      )}
      {overflows && <Grip scroller={position.box} />}
    </div>
  )
}
