/** A new chat that begins with this one, as it was here: it is made once, and there are the ways to it. */

import { useContext, useEffect, useLayoutEffect, useRef, useState } from 'preact/hooks'
import { words } from '../words'
import { Desk } from './desk'
import { dress, finish } from './dress'
import { closedByEscape } from './escape'
import { Icon } from './Icon'
import type { Fork } from './types'

interface Props {
  message: string
  close(): void
}

export function Forked({ message, close }: Props) {
  const actions = useContext(Desk)
  const [fork, setFork] = useState<Fork | null>(null)
  const [problem, setProblem] = useState('')
  const element = useRef<HTMLDivElement>(null)
  const cell = useRef<HTMLDivElement>(null)
  useEffect(() => {
    let open = true
    actions?.fork(message).then(
      (made) => open && setFork(made),
      (error: Error) => open && setProblem(error.message),
    )
    return () => {
      open = false
    }
  }, [])
  useLayoutEffect(() => element.current?.focus({ preventScroll: true }), [])
  useLayoutEffect(() => {
    const place = element.current
    if (fork && cell.current) {
      cell.current.replaceChildren(dress(codeOf(fork)))
      finish(cell.current)
    }
    // Whoever has gone on meanwhile is left there.
    if (!place?.contains(document.activeElement)) return
    if (fork) place.querySelector('a')?.focus({ preventScroll: true })
    place.scrollIntoView({ block: 'nearest' })
  }, [fork])
  return (
    <div ref={element} class="jdc-forked" role="group" aria-label={words.fork} tabIndex={-1} onKeyDown={closedByEscape(close)}>
      <p role="status">{fork ? words.forked : problem || words.forking}</p>
      {fork && (
        <p>
          <a href={fork.page} target="_blank" rel="noopener">
            {words.openFork} <Icon name="link" />
          </a>
        </p>
      )}
      {fork && (
        <>
          <p>{words.forkInCell}</p>
          <div ref={cell} class="jdc-markdown" />
        </>
      )}
      {(fork || problem) && (
        <button type="button" class="jdc-link" onClick={close}>
          {words.close}
        </button>
      )}
    </div>
  )
}

/** A cell that shows it. */
function codeOf({ session }: Fork): DocumentFragment {
  const code = document.createElement('code')
  code.dataset['jdcLang'] = 'python'
  code.append(`from jupyter_durable_chat import Chat\nChat(session=${JSON.stringify(session)})`)
  const pre = document.createElement('pre')
  pre.append(code)
  const nodes = document.createDocumentFragment()
  nodes.append(pre)
  return nodes
}
