/** A table to be read: its names stay in sight, its numbers stand under each other, and it scrolls by itself. */

import { useMemo, useState } from 'preact/hooks'
import { words } from '../words'
import { number } from '../words/numbers'
import { CopyButton } from './CopyButton'
import { columnOf, csv } from './records'
import { readable } from './Readable'
import type { Table } from './tables'

/** Rows that are drawn before somebody asks for more, and then. */
const ROWS = 50
const MOST = 500

export function Grid({ label, table }: { label: string; table: Table }) {
  const [most, setMost] = useState(ROWS)
  const { index, rows } = table
  const columns = useMemo(
    () => [...index, ...table.columns].map((name, place) => columnOf(name, rows.map((row) => row[place] ?? null))),
    [table],
  )
  const shown = rows.slice(0, most)
  const counted = sizeWords(table)
  return (
    <div class="jdc-grid">
      <div class="jdc-data-head">
        <span>{readable(label)}</span>
        <span>{counted}</span>
        <CopyButton class="jdc-copy-csv" label={words.copyCsv} text={() => csv(table)} />
      </div>
      <div class="jdc-table" role="group" aria-label={`${label}: ${counted}`} tabIndex={0}>
        <table>
          <thead>
            <tr>
              {columns.map(({ name, numeric }, place) =>
                name ? (
                  <th key={place} scope="col" class={numeric ? 'jdc-numeric' : ''}>
                    {readable(name)}
                  </th>
                ) : (
                  <td key={place} class={numeric ? 'jdc-numeric' : ''} />
                ),
              )}
            </tr>
          </thead>
          <tbody>
            {shown.map((row, at) => (
              <tr key={at}>
                {columns.map(({ numeric, write }, place) => {
                  const value = row[place] ?? null
                  const text = write(value)
                  const cell = { class: numeric ? 'jdc-numeric' : '', ...(String(value) === text ? {} : { title: String(value) }) }
                  return place < index.length ? (
                    <th key={place} scope="row" {...cell}>
                      {readable(text)}
                    </th>
                  ) : (
                    <td key={place} {...cell}>
                      {value === null ? <span class="jdc-missing">{words.missing}</span> : <bdi>{readable(text)}</bdi>}
                    </td>
                  )
                })}
              </tr>
            ))}
          </tbody>
        </table>
      </div>
      {shown.length < rows.length && most < MOST && (
        <button type="button" class="jdc-link jdc-more-rows" onClick={() => setMost(MOST)}>
          {words.showRows(number(Math.min(rows.length, MOST)))}
        </button>
      )}
    </div>
  )
}

/** How large it is, and how much of it is here. */
function sizeWords({ size, columns, rows }: Table): string {
  const counted = `${words.rows(size.rows, number(size.rows))} × ${words.columns(size.columns, number(size.columns))}`
  const cut = [
    rows.length < size.rows && words.firstRows(rows.length, number(rows.length)),
    columns.length < size.columns && words.firstColumns(columns.length, number(columns.length)),
  ].filter(Boolean)
  return cut.length > 0 ? `${counted} · ${words.tableCut(cut.join(', '))}` : counted
}
