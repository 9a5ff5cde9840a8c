/** What a call gave: text, data, files. It is whatever the tool says, so it is shown as text and never as markup. */

import { isRecord } from '../restore'
import { type FilePart, nested, type Part, type ToolPart } from '../transcript'
import { words } from '../words'
import { number } from '../words/numbers'
import { Json } from './Code'
import { File } from './File'
import { Fold } from './Fold'
import { Grid } from './late'
import { readable } from './Readable'
import { type Table, tableOf } from './tables'
import { Text } from './Text'
import { isTraceback, Trouble } from './Trouble'

interface Content {
  texts: string[]
  files: FilePart[]
  structured: unknown
  /** How many bytes it had before it was cut; `null`: it is whole. */
  cut: number | null
}


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

/** The array or object that this text is; a number in it that would not be the same is left as it is written. */
function jsonOf(text: string): unknown {
  if (!/^\s*[[{]/.test(text) || /\d{16}/.test(text)) return undefined
  try {
    return JSON.parse(text)
  } catch {
    return undefined // it only began like JSON
  }
}

function numberIn(structured: unknown, name: string): number {
  const found = isRecord(structured) ? structured[name] : undefined
  return typeof found === 'number' ? found : 0
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

/** `said`: what happened inside of the call. An agent's last words there are the result, and are not shown twice. */
export function Result({ output, said }: { output: unknown; said: Part[] }) {
  const content = contentOf(output)
  if (typeof output === 'string' && [...nested(said)].some((part) => part.type === 'text' && part.text.trim() === output.trim())) {
    return (
      <Fold class="jdc-json" summary={<span>{words.result}</span>}>
        {() => <pre tabIndex={0} dir="auto">{readable(output)}</pre>}
      </Fold>
    )
  }
  if (!content) return <Value value={output} />
  const { texts, files, structured, cut } = content
  const table = tableOf(structured)
  // The table says the same as one of the texts, the first one if it does not say which.
  const read = table && (texts[numberIn(structured, 'text')] ?? '')
  const errors = texts.filter(isTraceback)
  const text = texts.filter((piece) => piece && piece !== read && !isTraceback(piece)).join('\n\n')
  const isEmpty = !text && files.length + errors.length === 0
  return (
    <>
      {(text || !table) && <Value value={text || (structured ?? (isEmpty ? words.nothing : undefined))} />}
      {table && <Drawn table={table} text={read ?? ''} />}
      {errors.map((error, index) => (
        <Trouble key={index} text={error} />
      ))}
      {cut !== null && <p class="jdc-tool-note jdc-tool-cut">{words.cutBytes(number(cut))}</p>}
    </>
  )
}

/** For people, and how the model has it: what is made of it can be checked. */
function Drawn({ table, text }: { table: Table; text: string }) {
  return (
    <>
      <Grid label={words.result} table={table} />
      {text && (
        <Fold class="jdc-json" summary={<span>{words.asModelReads}</span>}>
          {() => <pre tabIndex={0} dir="auto">{readable(text)}</pre>}
        </Fold>
      )}
    </>
  )
}

/** Agents give changes of files as fenced Markdown, and many tools give JSON as text; any other text is as it is. */
function Value({ value }: { value: unknown }) {
  if (typeof value !== 'string' || !value.startsWith('```')) {
    return <Json label={words.result} value={typeof value === 'string' ? (jsonOf(value) ?? value) : value} />
  }
  return (
    <div class="jdc-json">
      <span>{words.result}</span>
      <Text text={value} done />
    </div>
  )
}
