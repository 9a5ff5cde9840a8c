/** What a call gave: text, data, files. It is whatever the tool says, so it is shown as text and never as markup. */

import type { FilePart, ToolPart } from '../transcript'
import { words } from '../words'
import { number } from '../words/numbers'
import { Json } from './Code'
import { File } from './File'
import { Text } from './Text'

interface Content {
  texts: string[]
  files: FilePart[]
  structured: unknown
  /** How many bytes it had before it was cut; `null`: it is whole. */
  cut: number | null
}

const isRecord = (value: unknown): value is Record<string, unknown> => typeof value === 'object' && value !== null

/** A result that is made of texts and files; `null`: it is any other JSON. */
function contentOf(output: unknown): Content | null {
  if (!isRecord(output) || !Array.isArray(output['content'])) return null
  const items = output['content'].filter(isRecord)
  const { structured, cut } = output
  return {
    texts: items.flatMap(({ type, text }) => (type === 'text' && typeof text === 'string' ? [text] : [])),
    files: items.filter(isFile),
    structured,
    cut: isRecord(cut) && typeof cut['bytes'] === 'number' ? cut['bytes'] : null,
  }
}

function isFile(item: Record<string, unknown>): item is Record<string, unknown> & FilePart {
  const { type, url, mediaType, filename } = item
  const isNamed = filename === undefined || typeof filename === 'string'
  return type === 'file' && typeof url === 'string' && typeof mediaType === 'string' && isNamed
}

/** The files of a result. They are there also while the rest is folded: a figure is what was asked for. */
export function filesOf(output: unknown): FilePart[] {
  return contentOf(output)?.files ?? []
}

/** Whether a piece of the result is, or ends with, what the call said while it ran: of that the last lines are kept. */
export function repeats(output: unknown, logs: NonNullable<ToolPart['logs']>): boolean {
  const said = logs.map(({ text }) => text).join('\n').trimEnd()
  const pieces = typeof output === 'string' ? [output] : (contentOf(output)?.texts ?? [])
  return said !== '' && pieces.some((piece) => `\n${piece.trimEnd()}`.endsWith(`\n${said}`))
}

export function Files({ files }: { files: FilePart[] }) {
  return (
    <div class="jdc-files">
      {files.map((file, index) => (
        <File key={index} part={file} outside={false} />
      ))}
    </div>
  )
}

export function Result({ output }: { output: unknown }) {
  const content = contentOf(output)
  if (!content) return <Value value={output} />
  const { texts, files, structured, cut } = content
  const text = texts.filter(Boolean).join('\n\n')
  return (
    <>
      <Value value={text || (structured ?? (files.length > 0 ? undefined : words.nothing))} />
      {cut !== null && <p class="jdc-tool-note jdc-tool-cut">{words.cutBytes(number(cut))}</p>}
    </>
  )
}

/** Agents give changes of files as fenced Markdown; any other text is as it is. */
function Value({ value }: { value: unknown }) {
  if (typeof value !== 'string' || !value.startsWith('```')) return <Json label={words.result} value={value} />
  return (
    <div class="jdc-json">
      <span>{words.result}</span>
      <Text text={value} done />
    </div>
  )
}
