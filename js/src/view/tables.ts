/** Tables in what a call gave or a question brings. They are whatever a file says: what has not this shape is no table. */

import { isRecord } from '../restore'

export type Cell = string | number | boolean | null

export interface Table {
  /** How many rows and columns there are; those that are here may be fewer. */
  size: { rows: number; columns: number }
  /** The columns that name a row come first. */
  index: string[]
  columns: string[]
  rows: Cell[][]
}

const isCount = (value: unknown): value is number => Number.isSafeInteger(value) && (value as number) >= 0
const isNames = (value: unknown): value is string[] => Array.isArray(value) && value.every((name) => typeof name === 'string')
const isCell = (value: unknown): value is Cell => value === null || ['string', 'number', 'boolean'].includes(typeof value)

/** A DataFrame, as a kernel tells of it; `null`: it is none. */
export function tableOf(data: unknown): Table | null {
  if (!isRecord(data)) return null
  const { rows, columns, index, cells, more_columns: more = 0 } = data
  if (!isCount(rows) || !isCount(more) || !isNames(columns) || !isNames(index) || !Array.isArray(cells)) return null
  const width = index.length + columns.length
  const isRow = (row: unknown): row is Cell[] => Array.isArray(row) && row.length === width && row.every(isCell)
  if (width === 0 || !cells.every(isRow)) return null
  return { size: { rows: Math.max(rows, cells.length), columns: columns.length + more }, index, columns, rows: cells }
}
