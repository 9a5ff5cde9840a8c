/** The lower edge of the messages: it drags their height; the arrow keys do too, a double click gives it back. */

import { useLayoutEffect, useState } from 'preact/hooks'
import { words } from '../words'

const KEY_STEP = 40
const SMALLEST = 120

export function Grip({ scroller }: { scroller: { current: HTMLDivElement | null } }) {
  const [now, setNow] = useState(SMALLEST)
  const measure = () => setNow(Math.round(scroller.current?.clientHeight ?? SMALLEST))
  useLayoutEffect(measure, [])
  const resize = (height: number | null) => {
    const box = scroller.current
    if (box) box.style.maxHeight = height === null ? '' : `${Math.max(SMALLEST, Math.round(height))}px`
    measure()
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
      aria-valuenow={now}
      aria-valuemin={SMALLEST}
      aria-valuemax={Math.max(now, window.innerHeight)}
      title={words.resize}
      tabIndex={0}
      onPointerDown={onPointerDown}
      onKeyDown={onKeyDown}
      onDblClick={() => resize(null)}
    />
  )
}
