/** The parts of a message: text, reasoning, calls, files, what was attached. What is folded is not drawn; sources stand below. */

import type { VNode } from 'preact'
import type { DataPart, Part, TextPart } from '../transcript'
import { words } from '../words'
import { duration } from '../words/numbers'
import { Elapsed } from './Elapsed'
import { Fold } from './Fold'
import { Entries, File, Grid, Tool } from './late'
import { memo } from './memo'
import { readable } from './Readable'
import { labelOf } from './shown'
import { tableOf } from './tables'
import { Text } from './Text'
import { thought } from './times'

/** One part; `running` while its turn runs, so that it may still grow. */
export const PartView = memo(({ part, running }: { part: Part; running: boolean }): VNode | null => {
  switch (part.type) {
    case 'text':
      return part.text ? <Text text={part.text} done={isDone(part, running)} /> : null
    case 'reasoning':
      return <Reasoning part={part} done={isDone(part, running)} />
    case 'dynamic-tool':
      return <Tool part={part} running={running} />
    case 'file':
      return <File part={part} outside />
    case 'data-cell':
    case 'data-variable':
      return <Snippet part={part} />
    case 'data-plan':
      return <Entries data={part.data} />
    default:
      return null
  }
})

function isDone(part: TextPart, running: boolean): boolean {
  return !running || part.state !== 'streaming'
}

/** In a line how long it took; what it says, if it says anything, is folded. */
function Reasoning({ part, done }: { part: TextPart; done: boolean }) {
  const { text, started } = part
  const took = thought(part)
  // What nobody may read, and nobody waited for, is not worth a line.
  if (!text && (done ? !(took >= BRIEF) : !started)) return null
  const line = done ? (
    <span>{thoughtWords(took)}</span>
  ) : (
    <>
      <span class="jdc-shimmer">{words.thinking}</span>
      {started && <Elapsed from={Date.parse(started.at)} />}
    </>
  )
  if (!text) return <p class="jdc-reasoning jdc-unsaid">{line}</p>
  return (
    <Fold class="jdc-reasoning" summary={line}>
      {() => <Text text={text} done={done} />}
    </Fold>
  )
}

const BRIEF = 1000

function thoughtWords(took: number): string {
  if (Number.isNaN(took)) return words.reasoning
  return took < BRIEF ? words.thoughtBriefly : words.thoughtFor(duration(took, true))
}

/** A cell or a variable that was attached: its label, and on demand the table that it is, or its text. */
function Snippet({ part: { data } }: { part: DataPart }) {
  const { text, table: structured } = (data ?? {}) as { text?: unknown; table?: unknown }
  const table = tableOf(structured)
  const label = labelOf(data) || words.noName
  return (
    <Fold class="jdc-snippet" summary={<span>{readable(label)}</span>}>
      {() => (table ? <Grid label={label} table={table} /> : <pre tabIndex={0} dir="auto">{typeof text === 'string' ? readable(text) : ''}</pre>)}
    </Fold>
  )
}
