/**
 * What goes with the next message: files that are stored beside the session as soon as they are chosen, dropped or pasted,
 * and can be taken back until they are sent.
 */

import { useEffect, useRef, useState } from 'preact/hooks'
import type { FilePart } from '../transcript'
import { words } from '../words'
import { bytes } from '../words/numbers'
import { Icon } from './Icon'
import { IconButton } from './IconButton'
import type { Actions } from './types'

export interface Attached {
  key: number
  file: File
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
  /** What is stored, to be sent; nothing is attached any more. */
  take(): FilePart[]
}

const PREVIEWS = /^image\/(?:png|jpeg|gif|webp)$/

export function useAttachments(actions: Actions | null): Attachments {
  const [items, setItems] = useState<readonly Attached[]>([])
  const next = useRef(0)
  const all = useRef(items)
  all.current = items
  useEffect(() => () => all.current.forEach(drop), [])
  const change = (key: number, change: Partial<Attached>) =>
    setItems((items) => items.map((item) => (item.key === key ? { ...item, ...change } : item)))
  return {
    items,
    busy: items.some(({ part, problem }) => part === null && problem === null),
    add(files) {
      if (!actions) return
      for (const file of files) {
        const key = next.current++
        const closing = new AbortController()
        const preview = PREVIEWS.test(file.type) ? URL.createObjectURL(file) : null
        setItems((items) => [...items, { key, file, preview, part: null, problem: null, closing }])
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
    take() {
      items.forEach(drop)
      setItems([])
      return items.flatMap(({ part }) => (part ? [part] : []))
    },
  }
}

function drop({ preview, closing }: Attached): void {
  closing.abort()
  if (preview) URL.revokeObjectURL(preview)
}

/** What is attached so far. */
export function AttachedFiles({ items, remove }: Pick<Attachments, 'items' | 'remove'>) {
  if (items.length === 0) return null
  return (
    <ul class="jdc-attached" aria-label={words.attached}>
      {items.map(({ key, file, preview, part, problem }) => (
        <li key={key} class="jdc-attachment" data-state={problem ? 'failed' : part ? 'ready' : 'uploading'}>
          {preview ? <img src={preview} alt="" /> : <Icon name="file" />}
          <span class="jdc-attachment-name">{file.name}</span>
          <span class="jdc-attachment-size" role="status">
            {problem ?? (part ? bytes(file.size) : words.uploading)}
          </span>
          <IconButton icon="cross" class="jdc-detach" label={words.remove(file.name)} onClick={() => remove(key)} />
        </li>
      ))}
    </ul>
  )
}

/** Chooses files. */
export function AttachButton({ add }: Pick<Attachments, 'add'>) {
  const input = useRef<HTMLInputElement>(null)
  return (
    <>
      <IconButton icon="clip" class="jdc-attach" label={words.attachFiles} onClick={() => input.current?.click()} />
      <input
        ref={input}
        type="file"
        class="jdc-file-input"
        multiple
        hidden
        aria-hidden="true"
        tabIndex={-1}
        onChange={(event) => {
          add([...(event.currentTarget.files ?? [])])
          event.currentTarget.value = '' // the same file may be chosen again
        }}
      />
    </>
  )
}

/** The files of what is pasted; none when it is text, of which some programs give a picture, too. */
export function pastedFiles(data: DataTransfer | null): File[] {
  return data && !data.types.includes('text/plain') ? [...data.files] : []
}
