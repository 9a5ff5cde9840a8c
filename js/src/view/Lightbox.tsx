/** One picture over everything else, as large as the window; Esc, a press beside it, or its button closes it. */

import { useLayoutEffect, useRef } from 'preact/hooks'
import { words } from '../words'
import { Icon } from './Icon'

interface Props {
  source: string
  name: string
  close(): void
}

export function Lightbox({ source, name, close }: Props) {
  const dialog = useRef<HTMLDialogElement>(null)
  useLayoutEffect(() => dialog.current?.showModal(), [])
  return (
    <dialog
      ref={dialog}
      class="jdc-lightbox"
      aria-label={name || words.picture}
      onClose={close}
      onClick={(event) => event.target === event.currentTarget && close()}
      onKeyDown={(event) => {
        event.stopPropagation() // Esc stops no answer here
        if (event.key !== 'Escape') return
        event.preventDefault()
        close()
      }}
    >
      <img src={source} alt={name} />
      <div class="jdc-lightbox-foot">
        <span>{name}</span>
        <a class="jdc-button jdc-save-picture" href={source} download={name || 'picture'}>
          <Icon name="download" /> {words.download}
        </a>
        <button type="button" class="jdc-button jdc-close" onClick={close}>
          <Icon name="cross" /> {words.close}
        </button>
      </div>
    </dialog>
  )
}
