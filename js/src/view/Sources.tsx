/** What an answer refers to, collected below it: each source once, with where it leads. */

import type { Part, SourceDocumentPart, SourceUrlPart } from '../transcript'
import { words } from '../words'
import { number } from '../words/numbers'
import { Fold } from './Fold'
import { linkAttributes, outsideUrl } from './sanitize'
import { readable } from './Readable'

type SourcePart = SourceUrlPart | SourceDocumentPart

export function Sources({ parts }: { parts: Part[] }) {
  const sources = once(parts.filter((part): part is SourcePart => part.type === 'source-url' || part.type === 'source-document'))
  if (sources.length === 0) return null
  const hosts = [...new Set(sources.flatMap((source) => hostOf(source)))]
  return (
    <Fold
      class="jdc-sources"
      summary={
        <>
          <span>{words.sources(sources.length, number(sources.length))}</span>
          <span class="jdc-source-hosts">{hosts.join(', ')}</span>
        </>
      }
    >
      {() => (
        <ol>
          {sources.map((source, index) => (
            <li key={index}>
              <Source source={source} />
            </li>
          ))}
        </ol>
      )}
    </Fold>
  )
}

/** Each one where it is named first. */
function once(sources: SourcePart[]): SourcePart[] {
  const places = sources.map((source) => (source.type === 'source-url' ? source.url : JSON.stringify([source.title, source.filename])))
  return sources.filter((_, index) => places.indexOf(places[index] as string) === index)
}

function hostOf(source: SourcePart): string[] {
  const host = source.type === 'source-url' ? outsideUrl(source.url)?.host : ''
  return host ? [host] : []
}

/** The title leads there; below it is where that is. */
function Source({ source }: { source: SourcePart }) {
  if (source.type === 'source-document') {
    return (
      <>
        <span>{readable(source.title || source.filename || '')}</span>
        {source.filename && source.title !== source.filename && <span class="jdc-source-target">{readable(source.filename)}</span>}
      </>
    )
  }
  const url = outsideUrl(source.url)
  const label = source.title || url?.host || source.url
  return (
    <>
      {url ? <a {...linkAttributes(url)}>{readable(label)}</a> : <span>{readable(label)}</span>}
      {url && <span class="jdc-source-target">{linkAttributes(url).href}</span>}
    </>
  )
}
