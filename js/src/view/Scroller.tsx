/**
 * The messages in a window of limited height: a chat does not take over a notebook. It follows the text until the person
 * scrolls up, offers the way back when there is news below, and its height can be dragged.
 */

import type { ComponentChildren } from 'preact'
import { useEffect, useRef, useState } from 'preact/hooks'
import { words } from '../words'
import { Icon } from './Icon'

interface Props {
  /** Begin at the end and follow; else begin at the start. */
  follow: boolean
  /** Changes when the person has done something that belongs to the end. */
  jump: number
  label: string
  /** Text is coming. */
  busy: boolean
  /** Another object whenever there is more of it. */
  latest: unknown
  children: ComponentChildren
}

/** Who comes nearer to the end than this, in CSS pixels, follows it again; who leaves it by more than a rounding does not. */
const NEAR = 24
const ROUNDING = 1
const KEY_STEP = 40
const SMALLEST = 120

export function Scroller({ follow, jump, label, busy, latest, children }: Props) {
  const scroller = useRef<HTMLDivElement>(null)
  const content = useRef<HTMLDivElement>(null)
  const following = useRef(follow)
  const read = useRef(latest)
  const coming = useRef({ busy, latest })
  coming.current = { busy, latest }
  const [news, setNews] = useState(false)
  const [overflows, setOverflows] = useState(false)

  useEffect(() => {
    const box = scroller.current as HTMLDivElement
    let top = box.scrollTop
    const keepUp = () => {
      setOverflows(box.scrollHeight > box.clientHeight + 1)
      const { busy, latest } = coming.current
      if (following.current) box.scrollTop = box.scrollHeight
      else if (busy && latest !== read.current && distance(box) > NEAR) setNews(true)
      read.current = latest
      top = box.scrollTop
    }
    const onScroll = () => {
      // Only a person moves it up, be it by a pixel; where a text that became shorter does, it ends at the end.
      if (box.scrollTop < top) following.current &&= distance(box) <= ROUNDING
      else if (box.scrollTop > top) following.current ||= distance(box) <= NEAR
      if (distance(box) <= NEAR) setNews(false)
      top = box.scrollTop
    }
    // What a person unfolds, changes or compares, they read where it is.
    const onClick = ({ target }: Event) => {
      if (target instanceof Element && target.closest('summary, .jdc-edit, .jdc-versions')) following.current = false
    }
    // After layout and before paint: nothing is measured twice, and no frame shows the text without its end.
    const observer = new ResizeObserver(keepUp)
    observer.observe(box)
    observer.observe(content.current as HTMLDivElement)
    box.addEventListener('scroll', onScroll, { passive: true })
    box.addEventListener('click', onClick)
    return () => {
      observer.disconnect()
      box.removeEventListener('scroll', onScroll)
      box.removeEventListener('click', onClick)
    }
  }, [])

  const toEnd = () => {
    following.current = true
    setNews(false)
    const box = scroller.current
    if (box) box.scrollTop = box.scrollHeight
  }
  useEffect(() => {
    if (jump === 0) return
    toEnd()
    // The button that was pressed in here is about to go; the focus is not to go with it.
    if (scroller.current?.matches(':focus-within')) scroller.current.focus({ preventScroll: true })
  }, [jump])

  return (
    <div class="jdc-window">
      <div class="jdc-scroll" ref={scroller} tabIndex={0} role="log" aria-live="off" aria-label={label}>
        <div class="jdc-messages" ref={content}>
          {children}
        </div>
      </div>
      {news && (
        <button type="button" class="jdc-below" onClick={toEnd}>
          <Icon name="down" /> {words.newBelow}
        </button>
      )}
      {overflows && <Grip scroller={scroller} />}
    </div>
  )
}

function distance(box: Element): number {
  return box.scrollHeight - box.clientHeight - box.scrollTop
}

/** Drags the height; the arrow keys do too, a double click gives it back. */
function Grip({ scroller }: { scroller: { current: HTMLDivElement | null } }) {
  const resize = (height: number | null) => {
    const box = scroller.current
    if (box) box.style.maxHeight = height === null ? '' : `${Math.max(SMALLEST, Math.round(height))}px`
  }
  const onPointerDown = (event: PointerEvent & { currentTarget: HTMLElement }) => {
    const grip = event.currentTarget
    const height = scroller.current?.clientHeight ?? 0
    const move = ({ clientY }: PointerEvent) => resize(height + clientY - event.clientY)
    grip.setPointerCapture(event.pointerId)
    grip.addEventListener('pointermove', move)
    grip.addEventListener('lostpointercapture', () => grip.removeEventListener('pointermove', move), { once: true })
  }
  const onKeyDown = (event: KeyboardEvent) => {
    const step = event.key === 'ArrowDown' ? KEY_STEP : event.key === 'ArrowUp' ? -KEY_STEP : 0
    if (step === 0) return
    event.preventDefault()
    resize((scroller.current?.clientHeight ?? 0) + step)
  }
  return (
    <div
      class="jdc-grip"
      role="separator"
      aria-orientation="horizontal"
      aria-label={words.height}
      title={words.resize}
      tabIndex={0}
      onPointerDown={onPointerDown}
      onKeyDown={onKeyDown}
      onDblClick={() => resize(null)}
    />
  )
}
