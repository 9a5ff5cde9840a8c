/** What a person wrote and the server does not have yet, or refused. */

import type { Ref } from 'preact'
import { words } from '../words'
import { Editor } from './Editor'
import { useEditing } from './editing'
import { PartView } from './Parts'
import type { Actions, Outgoing } from './types'

interface Props {
  item: Outgoing
  actions: Pick<Actions, 'resend' | 'discard' | 'amend'>
  /** A text whose message has gone meanwhile. */
  left(text: string): void
}

export function OutgoingMessage({ item, actions, left }: Props) {
  const { clientId, text, parts = [] } = item
  const { editing, button, begin, end } = useEditing()
  return (
    <article class="jdc-message jdc-outgoing" data-client-id={clientId} data-role="user" aria-label={words.you}>
      {editing ? (
        <AmendingEditor item={item} actions={actions} left={left} close={end} />
      ) : (
        <div class="jdc-bubble">
          {text && (
            <div class="jdc-text" dir="auto">
              {text}
            </div>
          )}
          {parts.length > 0 && (
            <div class="jdc-files">
              {parts.map((part, index) => (
                <PartView key={index} part={part} running={false} />
              ))}
            </div>
          )}
        </div>
      )}
      {!editing && <Unsent item={item} actions={actions} edit={{ button, begin }} />}
    </article>
  )
}

/** Changes what has not come to the server. */
export function AmendingEditor({ item: { clientId, text }, actions, left, close }: Props & { close(): void }) {
  const save = (text: string) => actions.amend(clientId, text)
  return <Editor text={text} label={words.editMessage} action={words.saveEdit} wait={null} save={save} close={close} left={left} />
}

interface UnsentProps {
  item: Outgoing
  actions: Pick<Actions, 'resend' | 'discard'>
  /** Absent: it cannot be changed once more. */
  edit?: { button: Ref<HTMLButtonElement>; begin(): void }
}

/** How far it got, and what can be done about it. */
export function Unsent({ item: { clientId, error, delayed }, actions, edit }: UnsentProps) {
  if (error === null && !delayed) return <div class="jdc-sending">{words.sending}</div>
  return (
    <div class="jdc-unsent" data-delayed={error === null || undefined} role={error === null ? 'status' : 'alert'}>
      <span>{error === null ? words.sendingLater : words.notSent(error)}</span>
      {error !== null && (
        <button type="button" class="jdc-link" onClick={() => actions.resend(clientId)}>
          {words.sendAgain}
        </button>
      )}
      {edit && (
        <button type="button" class="jdc-link" ref={edit.button} onClick={edit.begin}>
          {words.edit}
        </button>
      )}
      <button type="button" class="jdc-link" onClick={() => actions.discard(clientId)}>
        {words.discard}
      </button>
    </div>
  )
}
