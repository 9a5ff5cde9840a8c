/**
 * Rows of a list that are dragged into another order, with whatever points. Until it is let go the rows only look as if they
 * were moved: an element that really moved would lose the pointer.
 */

import { useLayoutEffect, useRef, useState } from 'preact/hooks'

/** Milliseconds after which what nobody has confirmed is shown as it is. */
const PATIENCE = 3000

interface Drag {
  /** What is dragged; `null`: it was let go, and that is on its way. */
  id: string | null
  order: string[]
}

export interface Dragging {
  dragged: string | null
  /** Where a row is to be seen. */
  placeOf(id: string): number
  /** A pointer has come down on what drags this row, which is a child of the list, as all others are. */
  begin(id: string, event: PointerEvent): void
}

/** `order`: as it is. `reorder`: to be asked for, once. */
export function useDragging(order: string[], reorder: (order: string[]) => void): Dragging {
  const [drag, setDrag] = useState<Drag | null>(null)
  const latest = useRef(drag)
  const show = (next: Drag | null) => {
    latest.current = next
    setDrag(next)
  }
  const going = useRef<AbortController | null>(null)
  useLayoutEffect(() => {
    show(null)
    // Another order has come, from whomever, or the list has gone: no key is taken for a row that may not be there.
    return () => going.current?.abort()
  }, [order.join()])
  useLayoutEffect(() => {
    if (drag?.id !== null) return
    const timer = setTimeout(() => show(null), PATIENCE)
    return () => clearTimeout(timer)
  }, [drag])

  const begin = (id: string, event: PointerEvent) => {
    const handle = event.currentTarget as HTMLElement
    const row = handle.closest('li')
    const list = row?.parentElement
    if (!row || !list || event.button !== 0) return
    event.preventDefault() // no text is selected, and nothing scrolls
    handle.setPointerCapture(event.pointerId)
    show({ id, order })
    const dragging = (going.current = new AbortController())
    const { signal } = dragging
    const end = (dropped: boolean) => {
      dragging.abort()
      const next = latest.current?.order ?? order
      const isMoved = dropped && next.join() !== order.join()
      show(isMoved ? { id: null, order: next } : null)
      if (isMoved) reorder(next)
    }
    handle.addEventListener(
      'pointermove',
      ({ clientY }) => {
        const others = order.filter((other) => other !== id)
        const place = others.filter((other) => middle(rowOf(list, other)) < clientY).length
        others.sort((one, other) => middle(rowOf(list, one)) - middle(rowOf(list, other)))
        show({ id, order: others.toSpliced(place, 0, id) })
        row.scrollIntoView({ block: 'nearest' })
      },
      { signal },
    )
    handle.addEventListener('pointerup', () => end(true), { signal })
    handle.addEventListener('lostpointercapture', () => end(false), { signal })
    handle.ownerDocument.addEventListener(
      'keydown',
      (event) => {
        if (event.key !== 'Escape') return
        event.preventDefault()
        event.stopPropagation() // it stops no answer
        end(false)
      },
      { capture: true, signal },
    )
  }
  return { dragged: drag?.id ?? null, placeOf: (id) => (drag?.order ?? order).indexOf(id), begin }
}

function rowOf(list: HTMLElement, id: string): HTMLElement | undefined {
  return ([...list.children] as HTMLElement[]).find(({ dataset }) => dataset['messageId'] === id)
}

function middle(row: HTMLElement | undefined): number {
  if (!row) return 0
  const { top, bottom } = row.getBoundingClientRect()
  return (top + bottom) / 2
}
