/**
 * What goes with the next message: files that are stored beside the session as soon as they are chosen, dropped or pasted,
 * and can be taken back until they are sent. Those that are stored are part of the draft.
 */

import { useEffect, useRef, useState } from 'preact/hooks'
import type { FilePart } from '../transcript'
import { isPicture } from './sanitize'
import type { Actions, Draft } from './types'

export interface Attached {
  key: number
  name: string
  size: number
  /** The address of a small picture of it. */
  preview: string | null
  /** What is sent of it, once it is stored. */
  part: FilePart | null
  /** Why it is not stored. */
  problem: string | null
  closing: AbortController
}

export interface Attachments {
  items: readonly Attached[]
  /** Something is on its way. */
  busy: boolean
  add(files: Iterable<File>): void
  remove(key: number): void
  /** What is stored, to be kept until it is sent. */
  stored: Draft['files']
  /** The same, to be sent; nothing is attached any more. */
  take(): FilePart[]
}

export function useAttachments(actions: Actions | null): Attachments {
  const [items, setItems] = useState(() => (actions?.draft()?.files ?? []).map(again))
  const next = useRef(items.length)
  const all = useRef(items)
  all.current = items
  const change = (key: number, change: Partial<Attached>) =>
    setItems((items) => items.map((item) => (item.key === key ? { ...item, ...change } : item)))
  useEffect(() => {
    for (const { key, part, closing } of items) {
      if (!part || !isPicture(part.mediaType)) continue
      const show = (bytes: Blob) => closing.signal.aborted || change(key, { preview: URL.createObjectURL(bytes) })
      actions?.attachment(part.url, closing.signal).then(show, () => undefined) // then it has no picture here
    }
    return () => all.current.forEach(drop)
  }, [])
  const busy = items.some(({ part, problem }) => part === null && problem === null)
  useEffect(() => {
    if (!busy) return
    // What is not stored yet is lost with the page, and a draft cannot hold it.
    const ask = (event: BeforeUnloadEvent) => event.preventDefault()
    addEventListener('beforeunload', ask)
    return () => removeEventListener('beforeunload', ask)
  }, [busy])
  return {
    items,
    busy,
    add(files) {
      if (!actions) return
      for (const file of files) {
        const key = next.current++
        const closing = new AbortController()
        const preview = isPicture(file.type) ? URL.createObjectURL(file) : null
        const { name, size } = file
        setItems((items) => [...items, { key, name, size, preview, part: null, problem: null, closing }])
        actions.upload(file, closing.signal).then(
          (part) => change(key, { part }),
          (error: Error) => change(key, { problem: error.message }),
        )
      }
    },
    remove(key) {
      items.filter((item) => item.key === key).forEach(drop)
      setItems((items) => items.filter((item) => item.key !== key))
    },
    stored: items.flatMap(({ part, size }) => (part ? [{ part, size }] : [])),
    take() {
      items.forEach(drop)
      setItems([])
      return items.flatMap(({ part }) => (part ? [part] : []))
    },
  }
}

/** What a draft has. */
function again({ part, size }: Draft['files'][number], key: number): Attached {
  return { key, name: part.filename ?? part.mediaType, size, preview: null, part, problem: null, closing: new AbortController() }
}

function drop({ preview, closing }: Attached): void {
  closing.abort()
  if (preview) URL.revokeObjectURL(preview)
}

/** The files of what is pasted; none when it is text, of which some programs give a picture, too. */
export function pastedFiles(data: DataTransfer | null): File[] {
  return data && !data.types.includes('text/plain') ? [...data.files] : []
}
