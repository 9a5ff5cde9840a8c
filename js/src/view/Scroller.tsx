/**
 * The messages in a window of limited height: a chat does not take over a notebook. It follows the text until the person
 * scrolls up, offers the way back when there is news below, and its height can be dragged.
 *
 * What a person aims at below it does not move away: with the first answer that comes here the window takes all of its
 * height at once, and keeps it for as long as somebody sees it.
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
  /** There are messages in it. */
  filled: boolean
  /** It is one of many, and not read like a part of the page. */
  limited: boolean
  /** Another object whenever there is more of it. */
  latest: unknown
  children: ComponentChildren
}

export function Scroller({ position, jump, label, busy, filled, limited, latest, children }: Props) {
  const read = useRef(latest)
  const coming = useRef({ busy, latest })
  coming.current = { busy, latest }
  const [news, setNews] = useState(false)
  const [overflows, setOverflows] = useState(false)
  const steady = useSteady(position, limited, busy)

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
      <div
        class="jdc-scroll"
        ref={position.box}
        tabIndex={0}
        role={filled ? 'feed' : 'group'} // most of its articles may not be drawn
        aria-label={label}
        aria-keyshortcuts="Alt+ArrowUp Alt+ArrowDown"
        data-steady={steady || undefined}
      >
        <div ref={position.roll}>
          <div class="jdc-messages" ref={position.content}>
            {children}
          </div>
        </div>
      </div>
      {news && (
        <button type="button" class="jdc-below" onClick={() => position.toTheEnd()}>
          <Icon name="down" /> {words.newBelow}
        </button>
      )}
      {(overflows || steady) && <Grip scroller={position.box} />}
    </div>
  )
}

/** Whether the window has all of its height now. Where that begins, a person who writes here goes on seeing what they write. */
function useSteady({ box }: Position, limited: boolean, busy: boolean): boolean {
  const [was, setSteady] = useState(false)
  const steady = limited && (was || busy)
  const still = useRef(busy)
  still.current = busy
  useLayoutEffect(() => {
    const { current } = box
    if (!steady || !current) return
    setSteady(true)
    const chat = current.closest('.jdc-chat')
    if (chat?.matches(':focus-within')) chat.querySelector('.jdc-composer')?.scrollIntoView({ block: 'nearest' })
    // What is above changes its height unseen where the browser keeps in place what is read below it.
    if (!CSS.supports('overflow-anchor', 'auto')) return
    const observer = new IntersectionObserver((entries) => {
      if (!still.current && entries.at(-1)?.isIntersecting === false) setSteady(false)
    })
    observer.observe(current)
    return () => observer.disconnect()
  }, [steady])
  return steady
}
