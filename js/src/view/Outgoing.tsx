/** What a person wrote and the server does not have yet, or refused. */

import { words } from '../words'
import { PartView } from './Parts'
import type { Actions, Outgoing } from './types'

interface Props {
  item: Outgoing
  actions: Pick<Actions, 'resend' | 'discard'>
}

export function OutgoingMessage({ item, actions }: Props) {
  return (
    <article class="jdc-message jdc-outgoing" data-client-id={item.clientId} data-role="user" aria-label={words.you}>
      <div class="jdc-bubble">
        {item.text && (
          <div class="jdc-text" dir="auto">
            {item.text}
          </div>
        )}
        {item.parts && item.parts.length > 0 && (
          <div class="jdc-files">
            {item.parts.map((part, index) => (
              <PartView key={index} part={part} running={false} />
            ))}
          </div>
        )}
      </div>
      <Unsent item={item} actions={actions} />
    </article>
  )
}

/** How far it got, and what can be done about it. */
export function Unsent({ item: { clientId, error }, actions }: Props) {
  if (error === null) return <div class="jdc-sending">{words.sending}</div>
  return (
    <div class="jdc-unsent" role="alert">
      <span>{words.notSent(error)}</span>
      <button type="button" class="jdc-link" onClick={() => actions.resend(clientId)}>
        {words.sendAgain}
      </button>
      <button type="button" class="jdc-link" onClick={() => actions.discard(clientId)}>
        {words.discard}
      </button>
    </div>
  )
}
