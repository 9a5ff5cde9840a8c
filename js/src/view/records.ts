/** Data that reads like a table, and tables as text: nothing is drawn here. */

import type { Cell, Table } from './tables'

/** More columns than this are no table that a person reads, and longer texts are none of its cells. */
const MOST_COLUMNS = 30
const LONGEST = 500

/** A list of flat records, which have most of their fields in common; `null`: it is something else. */
export function recordsOf(value: unknown): Table | null {
  if (!Array.isArray(value) || value.length < 2 || !value.every(isFlat)) return null
  const records = value as Record<string, Cell>[]
  const columns = [...new Set(records.flatMap((record) => Object.keys(record)))]
  if (columns.length === 0 || columns.length > MOST_COLUMNS) return null
  const given = records.reduce((sum, record) => sum + Object.keys(record).length, 0)
  if (given < 0.6 * columns.length * records.length) return null
  const rows = records.map((record) => columns.map((name) => (Object.hasOwn(record, name) ? (record[name] ?? null) : null)))
  return { size: { rows: rows.length, columns: columns.length }, index: [], columns, rows }
}

function isFlat(record: unknown): boolean {
  if (typeof record !== 'object' || record === null || Array.isArray(record)) return false
  return Object.values(record).every((value) =>
    typeof value === 'string' ? value.length <= LONGEST : value === null || typeof value !== 'object',
  )
}

interface Column {
  name: string
  /** Its values are numbers, and stand under each other. */
  numeric: boolean
  /** A value as it is read. */
  write(value: Cell): string
}

const MOST_DECIMALS = 6
/** Numbers that are not written out in a cell have no decimals to align. */
const isPlain = (value: number) => value === 0 || (Math.abs(value) < 1e15 && Math.abs(value) >= 1e-6)

/** How the values of a column are written: all numbers with as many decimals. */
export function columnOf(name: string, values: Cell[]): Column {
  const numbers = values.filter((value) => typeof value === 'number')
  const isNumber = (value: Cell) => value === null || typeof value === 'number' || /^-?(?:\d+|inf)$/.test(String(value))
  const numeric = numbers.length > 0 && values.every(isNumber)
  const decimals = Math.min(MOST_DECIMALS, Math.max(0, ...numbers.filter(isPlain).map(decimalsOf)))
  const write = (value: Cell) => {
    if (value === null) return ''
    return typeof value === 'number' && numeric && isPlain(value) ? value.toFixed(decimals) : String(value)
  }
  return { name, numeric, write }
}

function decimalsOf(value: number): number {
  return String(value).split('.')[1]?.length ?? 0
}

/** RFC 4180. */
export function csv({ index, columns, rows }: Table): string {
  return [[...index, ...columns], ...rows].map((row) => `${row.map(field).join(',')}\r\n`).join('')
}

function field(value: Cell): string {
  const text = value === null ? '' : String(value)
  return /[",\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text
}

/** One line of a tree. */
export interface Row {
  /** Where it is (RFC 6901). Unique in a tree. */
  path: string
  level: number
  /** `null`: it has none, it says that there are more. */
  name: string | null
  /** It is the place of an array. */
  isPlace: boolean
  value: unknown
  /** What is inside of it, and whether it is shown; `null`: nothing is. */
  open: boolean | null
  /** Its place among those beside it, from 1, and how many they are. */
  at: number
  of: number
}

/** What a person has changed: what is open or closed, and how many entries are shown. */
export interface Seen {
  open: ReadonlyMap<string, boolean>
  entries: ReadonlyMap<string, number>
}

/** Entries of one array or object that are shown at once, and added by a press. */
export const ENTRIES = 50
/** A longer text is cut until it is opened. */
export const TEXT = 300

/** The first level is open where it is short; what is closed is not looked into. */
const SHORT = 12

export function isBranch(value: unknown): value is object {
  return typeof value === 'object' && value !== null && sizeOf(value) > 0
}

export function sizeOf(value: object): number {
  return Array.isArray(value) ? value.length : Object.keys(value).length
}

function isLong(value: unknown): value is string {
  return typeof value === 'string' && value.length > TEXT
}

/** The lines of a tree that are to be seen, from top to bottom. */
export function* rowsOf(value: object, seen: Seen, path = '', level = 1): Generator<Row> {
  const isPlace = Array.isArray(value)
  const of = sizeOf(value)
  const shown = Math.min(of, seen.entries.get(path) ?? ENTRIES)
  const names = isPlace ? null : Object.keys(value)
  for (let index = 0; index < shown; index++) {
    const name = names ? (names[index] as string) : String(index)
    const inner: unknown = (value as Record<string, unknown>)[name]
    const here = pathOf(path, name)
    const usual = level === 1 && of <= SHORT && isBranch(inner) && sizeOf(inner) <= SHORT
    const open = isBranch(inner) || isLong(inner) ? (seen.open.get(here) ?? usual) : null
    yield { path: here, level, name, isPlace, value: inner, open, at: index + 1, of }
    if (open && isBranch(inner)) yield* rowsOf(inner, seen, here, level + 1)
  }
  if (shown < of) yield { path: `${path}/~`, level, name: null, isPlace, value, open: null, at: shown + 1, of }
}

function pathOf(above: string, name: string): string {
  return `${above}/${name.replaceAll('~', '~0').replaceAll('/', '~1')}`
}

/** The array or object that has more than is shown, and the first of what is not. */
export function beyond({ path, value, at }: Row): { above: string; next: string } {
  const above = path.slice(0, -2)
  return { above, next: pathOf(above, Array.isArray(value) ? String(at - 1) : (Object.keys(value as object)[at - 1] ?? '')) }
}

/** A value as text, for other programs. */
export function textOf(value: unknown): string {
  return typeof value === 'string' ? value : JSON.stringify(value, null, 2)
}
