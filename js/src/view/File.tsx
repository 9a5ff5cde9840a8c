/**
 * Files of a message and of a call's result. Pictures that hold no program are drawn, from their address when they are in
 * it, or from our own server, which wants to know who asks; any other file is a chip that can be saved.
 */

import type { ComponentChildren } from 'preact'
import { useContext, useEffect, useLayoutEffect, useRef, useState } from 'preact/hooks'
import type { FilePart } from '../transcript'
import { words } from '../words'
import { Shelf } from './desk'
import { picture } from './dress'
import { Icon, type IconName } from './Icon'
import { Lightbox } from './late'
import { leadsTo, visible } from './links'
import { offer } from './offer'
import { isInlineImage, isPicture, linkAttributes, outsideUrl } from './sanitize'
import { readable } from './Readable'

const isAttachment = (url: string) => url.startsWith('attachment:')

/** `outside`: what is on other hosts may be asked for. */
export function File({ part, outside }: { part: FilePart; outside: boolean }) {
  const { url, mediaType } = part
  const name = part.filename || mediaType
  if (isAttachment(url)) return isPicture(mediaType) ? <Attached part={part} /> : <Saved part={part} />
  if (mediaType.startsWith('image/') && (outside || isInlineImage(url))) return <Picture url={url} alt={part.filename ?? ''} />
  const link = outside ? outsideUrl(url) : null
  if (!link) return <Chip icon="file">{readable(name)}</Chip>
  return (
    <a class="jdc-chip" {...linkAttributes(link)}>
      <Icon name="file" />
      <span>{readable(name)}</span>
      <Leads words={name} url={link} />
    </a>
  )
}

/** Where a link leads, if its words could be taken for another place. */
function Leads({ words, url }: { words: string; url: URL }) {
  const host = leadsTo(words, url)
  return host ? <span class="jdc-leads">{host}</span> : null
}

function Picture({ url, alt }: { url: string; alt: string }) {
  if (isInlineImage(url)) return <Shown source={url} name={alt} />
  return <Outside url={url} alt={alt} />
}

/** A picture that is here, and can be looked at closely. */
function Shown({ source, name }: { source: string; name: string }) {
  const [large, setLarge] = useState(false)
  const button = useRef<HTMLButtonElement>(null)
  const was = useRef(false)
  useLayoutEffect(() => {
    // While the picture is there, nothing else can have the focus.
    if (was.current) button.current?.focus()
    was.current = large
  }, [large])
  return (
    <div class="jdc-picture">
      <button type="button" class="jdc-enlarge" ref={button} aria-label={words.enlarge(name)} title={words.enlarge(name)} onClick={() => setLarge(true)}>
        <img src={source} alt={name} referrerpolicy="no-referrer" />
      </button>
      {large && <Lightbox source={source} name={name} close={() => setLarge(false)} />}
    </div>
  )
}

function Outside({ url, alt }: { url: string; alt: string }) {
  const element = useRef<HTMLDivElement>(null)
  useLayoutEffect(() => element.current?.replaceChildren(picture(url, alt)), [url, alt])
  return <div class="jdc-picture" ref={element} />
}

/** A picture of our own server. */
function Attached({ part }: { part: FilePart }) {
  const { url, mediaType, filename } = part
  const shelf = useContext(Shelf)
  const [source, setSource] = useState<string | null>(null)
  const [problem, setProblem] = useState<string | null>(null)
  useEffect(() => {
    if (!shelf) return
    const closing = new AbortController()
    shelf.attachment(url, closing.signal).then(
      (bytes) => {
        if (closing.signal.aborted) return
        const object = URL.createObjectURL(new Blob([bytes], { type: mediaType }))
        closing.signal.addEventListener('abort', () => URL.revokeObjectURL(object))
        setSource(object)
      },
      (error: Error) => closing.signal.aborted || setProblem(error.message),
    )
    return () => {
      closing.abort()
      setSource(null)
      setProblem(null)
    }
  }, [shelf, url, mediaType])
  if (!shelf || problem !== null) return <Chip icon="file" title={problem ?? ''}>{readable(filename || mediaType)}</Chip>
  if (source === null) return <div class="jdc-picture jdc-picture-coming" role="img" aria-label={words.pictureComes} />
  return <Shown source={source} name={filename ?? ''} />
}

/** A file of our own server: to be saved, never to be opened. */
function Saved({ part }: { part: FilePart }) {
  const { url, mediaType, filename } = part
  const shelf = useContext(Shelf)
  const [problem, setProblem] = useState<string | null>(null)
  const name = filename || mediaType
  if (!shelf) return <Chip icon="file">{readable(name)}</Chip>
  const save = async () => {
    try {
      const bytes = await shelf.attachment(url, AbortSignal.timeout(600_000))
      offer(bytes, visible(filename ?? '') || 'file')
      setProblem(null)
    } catch (error) {
      setProblem((error as Error).message)
    }
  }
  return (
    <>
      <button type="button" class="jdc-chip jdc-download" title={words.save(visible(name))} onClick={() => void save()}>
        <Icon name="file" />
        <span>{readable(name)}</span>
        <Icon name="download" />
      </button>
      {problem !== null && (
        <span class="jdc-chip-problem" role="alert">
          {problem}
        </span>
      )}
    </>
  )
}

interface ChipProps {
  icon: IconName
  title?: string
  children: ComponentChildren
}

function Chip({ icon, title, children }: ChipProps) {
  return (
    <span class="jdc-chip" {...(title ? { title } : {})}>
      <Icon name={icon} />
      <span>{children}</span>
    </span>
  )
}
