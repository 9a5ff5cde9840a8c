/**
 * The chat elsewhere: its address, for who may log in here, and links by which anybody reads. A link is shown once, when it
 * is made: nobody, the server included, knows it later.
 */

import { useContext, useEffect, useLayoutEffect, useRef, useState } from 'preact/hooks'
import type { Share } from '../transcript'
import { words } from '../words'
import { clock } from '../words/numbers'
import { CopyButton } from './CopyButton'
import { Desk } from './desk'
import { Now } from './Elapsed'
import { closedByEscape } from './escape'
import { Qr } from './late'
import { readable } from './Readable'
import type { NewLink } from './types'

const DAY = 24 * 3600

const PERIODS = { day: DAY, week: 7 * DAY, month: 30 * DAY, ever: null } as const

type Period = keyof typeof PERIODS

interface Props {
  /** Where the chat is a page of its own. */
  address: string
  shares: readonly Share[]
  close(): void
}

export function Sharing({ address, shares, close }: Props) {
  const element = useRef<HTMLDivElement>(null)
  useLayoutEffect(() => element.current?.querySelector('input')?.focus({ preventScroll: true }), [])
  return (
    <div ref={element} class="jdc-outline jdc-sharing" role="dialog" aria-label={words.shareChat} onKeyDown={closedByEscape(close)}>
      <section>
        <b>{words.elsewhere}</b>
        <p>{words.elsewhereText}</p>
        <Link class="jdc-address" value={address} label={words.address} copy={words.copyAddress} code={words.qrOfAddress} />
        {isLoopback(address) && <p class="jdc-loopback">{words.loopback}</p>}
      </section>
      <Links address={address} shares={shares} />
    </div>
  )
}

/** Links to read: a new one, and those there are. */
function Links({ address, shares }: Omit<Props, 'close'>) {
  const actions = useContext(Desk)
  const [allowed, setAllowed] = useState(true)
  const [made, setMade] = useState<NewLink | null>(null)
  const [busy, setBusy] = useState(false)
  const [problem, setProblem] = useState('')
  const [period, setPeriod] = useState<Period>('week')
  const [name, setName] = useState('')
  const section = useRef<HTMLElement>(null)
  useEffect(() => {
    actions?.mayShare().then(setAllowed, (error: Error) => setProblem(error.message))
  }, [actions, address])
  const ask = async (what: () => Promise<void>) => {
    if (busy) return
    setBusy(true)
    setProblem('')
    await what().catch((error: Error) => setProblem(error.message))
    setBusy(false)
  }
  const make = () =>
    ask(async () => {
      if (!actions) return
      setMade(await actions.makeLink({ name: name.trim(), seconds: PERIODS[period] }))
      setName('')
    })
  const revoke = ({ id }: Share) =>
    ask(async () => {
      await actions?.revokeLink(id)
      setMade((made) => (made?.id === id ? null : made))
      section.current?.focus() // the button goes with its link
    })
  return (
    <section ref={section} tabIndex={-1} aria-label={words.readLinks}>
      <b>{words.readLinks}</b>
      <p>{allowed ? words.readLinksText : words.sharingOff}</p>
      {allowed && (
        <form
          class="jdc-new-link"
          onSubmit={(event) => {
            event.preventDefault()
            void make()
          }}
        >
          <input
            class="jdc-link-name"
            maxLength={100}
            value={name}
            aria-label={words.forWhom}
            placeholder={words.forWhomHint}
            dir="auto"
            onInput={(event) => setName(event.currentTarget.value)}
          />
          <select
            aria-label={words.holds}
            value={period}
            onChange={(event) => setPeriod(event.currentTarget.value as Period)}
          >
            {(Object.keys(PERIODS) as Period[]).map((period) => (
              <option key={period} value={period}>
                {words.holdsFor[period]}
              </option>
            ))}
          </select>
          <button type="submit" class="jdc-make-link jdc-button jdc-primary" aria-disabled={busy}>
            {words.makeLink}
          </button>
        </form>
      )}
      {problem && (
        <p class="jdc-tool-note" role="alert">
          {problem}
        </p>
      )}
      {made !== null && (
        <>
          <p role="status">{words.linkOnce}</p>
          <Link class="jdc-made-link" value={made.link} label={words.newLink} copy={words.copyLink} code={words.qrOfLink} shown />
        </>
      )}
      {shares.length > 0 && (
        <ul class="jdc-links">
          {shares.map((share) => (
            <li key={share.id} data-share={share.id}>
              <span>
                <bdi>{share.name ? readable(share.name) : words.noName}</bdi>
                <small>
                  <Dates share={share} />
                </small>
              </span>
              <button
                type="button"
                class="jdc-revoke jdc-button"
                aria-label={words.revokeOf(share.name || words.noName)}
                aria-disabled={busy}
                onClick={() => void revoke(share)}
              >
                {words.revoke}
              </button>
            </li>
          ))}
        </ul>
      )}
    </section>
  )
}

function Dates({ share: { at, expires_at } }: { share: Share }) {
  const now = useContext(Now)
  const made = words.made(clock(at))
  if (expires_at === null) return <>{made}</>
  const isOver = Date.parse(expires_at) <= now()
  return <>{`${made}, ${isOver ? words.ranOut : words.endsOn(clock(expires_at))}`}</>
}

interface LinkProps {
  class: string
  value: string
  label: string
  copy: string
  /** What the code is of. */
  code: string
  /** Its code is shown from the beginning. */
  shown?: boolean
}

/** An address to be copied, and its code to be photographed. */
function Link({ class: name, value, label, copy, code, shown = false }: LinkProps) {
  const [open, setOpen] = useState(shown)
  return (
    <>
      <div class="jdc-address-line">
        <input class={name} readOnly value={value} aria-label={label} dir="ltr" onFocus={(event) => event.currentTarget.select()} />
        <CopyButton class="jdc-copy-address" label={copy} text={() => value} />
        <button type="button" class="jdc-show-qr jdc-button" aria-expanded={open} aria-label={code} onClick={() => setOpen(!open)}>
          {words.qrCode}
        </button>
      </div>
      {open && <Qr text={value} label={code} />}
    </>
  )
}

/** Whether other machines have another, or none, at this address. */
function isLoopback(address: string): boolean {
  return /^(?:localhost|.+\.localhost|127(?:\.\d+){3}|\[::1\])$/.test(new URL(address).hostname)
}
