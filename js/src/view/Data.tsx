/** A value that is more than a line: as a table if it reads like one, else as a tree. */

import { useMemo } from 'preact/hooks'
import { words } from '../words'
import { CopyButton } from './CopyButton'
import { Grid } from './Grid'
import { recordsOf, textOf } from './records'
import { Tree } from './Tree'

export function Data({ label, value }: { label: string; value: object }) {
  const table = useMemo(() => recordsOf(value), [value])
  if (table) return <Grid label={label} table={table} />
  return (
    <div class="jdc-data">
      <div class="jdc-data-head">
        <span>{label}</span>
        <CopyButton class="jdc-copy-json" label={words.copyJson} text={() => textOf(value)} />
      </div>
      <Tree label={label} value={value} />
    </div>
  )
}
