/** What goes with the next message, as it is drawn, and what chooses it. */

import type { ComponentChildren } from 'preact'
import { useRef } from 'preact/hooks'
import { words } from '../words'
import { bytes } from '../words/numbers'
import type { Attachments } from './attachments'
import { Icon, type IconName } from './Icon'
import { IconButton } from './IconButton'
import { readable } from './Readable'

/** What is attached so far. */
export function AttachedFiles({ items, remove, children }: Pick<Attachments, 'items' | 'remove'> & { children: ComponentChildren }) {
  return (
    <ul class="jdc-attached" aria-label={words.attached}>
      {children}
      {items.map(({ key, name, size, preview, part, problem }) => (
        <li key={key} class="jdc-attachment" data-state={problem ? 'failed' : part ? 'ready' : 'uploading'}>
          {preview ? <img src={preview} alt="" /> : <Icon name="file" />}
          <span class="jdc-attachment-name">{readable(name)}</span>
          <span class="jdc-attachment-size" role="status">
            {problem ?? (part ? bytes(size) : words.uploading)}
          </span>
          <IconButton icon="cross" class="jdc-detach" label={words.remove(name)} onClick={() => remove(key)} />
        </li>
      ))}
    </ul>
  )
}

interface ChipProps {
  icon: IconName
  name: string
  detail: string
  state: 'ready' | 'uploading' | 'failed'
  remove(): void
}

/** What is named for the next message: something of the notebook, or who is to answer. */
export function NamedChip({ icon, name, detail, state, remove }: ChipProps) {
  return (
    <li class="jdc-attachment jdc-named" data-kind={icon} data-state={state}>
      <Icon name={icon} />
      <span class="jdc-attachment-name">{readable(name)}</span>
      <span class="jdc-attachment-size" role="status">
        {detail}
      </span>
      <IconButton icon="cross" class="jdc-detach" label={words.remove(name)} onClick={remove} />
    </li>
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
