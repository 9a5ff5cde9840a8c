/**
 * JSON as a tree that is worked with the keyboard (the tree pattern of ARIA): one stop for Tab, arrows inside. What is
 * closed, and what is beyond the first entries, is not drawn.
 */

import { useLayoutEffect, useMemo, useRef, useState } from 'preact/hooks'
import { words } from '../words'
import { number } from '../words/numbers'
import { Copied, useCopy } from './CopyButton'
import { Icon } from './Icon'
import { beyond, ENTRIES, isBranch, type Row, rowsOf, type Seen, sizeOf, TEXT, textOf } from './records'
import { readable } from './Readable'

export function Tree({ label, value }: { label: string; value: object }) {
  const [seen, setSeen] = useState<Seen>({ open: new Map(), entries: new Map() })
  const [active, setActive] = useState('')
  const [copied, copy] = useCopy<string>()
  const rows = useMemo(() => [...rowsOf(value, seen)], [value, seen])
  const element = useRef<HTMLDivElement>(null)
  const moved = useRef(false)
  const at = Math.max(
    0,
    rows.findIndex(({ path }) => path === active),
  )
  useLayoutEffect(() => {
    if (moved.current) (element.current?.children[at] as HTMLElement | undefined)?.focus()
    moved.current = false
  })

  const go = (path = active) => {
    moved.current = true
    setActive(path)
  }
  const toggle = ({ path, open }: Row) => setSeen((seen) => ({ ...seen, open: new Map(seen.open).set(path, !open) }))
  const press = (row: Row) => {
    if (row.name === null) {
      const { above, next } = beyond(row)
      setSeen((seen) => ({ ...seen, entries: new Map(seen.entries).set(above, row.at - 1 + ENTRIES) }))
      return go(next)
    }
    if (row.open !== null) toggle(row)
    go(row.path)
  }
  const onKeyDown = (event: KeyboardEvent) => {
    const row = rows[at]
    const isCopy = (event.ctrlKey || event.metaKey) && event.key === 'c' && getSelection()?.isCollapsed !== false
    if (!row || event.altKey || ((event.ctrlKey || event.metaKey) && !isCopy)) return
    if (isCopy) copy(textOf(row.value), row.path)
    else if (event.key === 'ArrowDown') go(rows[at + 1]?.path)
    else if (event.key === 'ArrowUp') go(rows[at - 1]?.path)
    else if (event.key === 'Home') go(rows[0]?.path)
    else if (event.key === 'End') go(rows.at(-1)?.path)
    else if (event.key === 'Enter' || event.key === ' ') press(row)
    else if (event.key === 'ArrowRight') {
      if (row.open === false) toggle(row)
      else if (isBranch(row.value) && row.open) go(rows[at + 1]?.path)
    } else if (event.key === 'ArrowLeft') {
      if (row.open) toggle(row)
      else go(rows.slice(0, at).findLast(({ level }) => level < row.level)?.path)
    } else if (event.key.length === 1) {
      const begins = ({ name }: Row) => name?.toLowerCase().startsWith(event.key.toLowerCase())
      go([...rows.slice(at + 1), ...rows.slice(0, at)].find(begins)?.path)
    } else return
    event.preventDefault()
    event.stopPropagation()
  }
  return (
    <>
      <div ref={element} class="jdc-tree" role="tree" aria-label={label} dir="ltr" onKeyDown={onKeyDown}>
        {rows.map((row, index) => (
          <div
            key={row.path}
            class="jdc-node"
            role="treeitem"
            aria-level={row.level}
            aria-posinset={row.at}
            aria-setsize={row.of}
            aria-keyshortcuts={row.name === null ? undefined : 'Control+C'}
            aria-expanded={row.open ?? undefined}
            tabIndex={index === at ? 0 : -1}
            style={{ '--jdc-level': row.level - 1 }}
            onFocus={() => setActive(row.path)}
            onClick={(event) => {
              // Who selects a text does not press, nor does the second half of a double click.
              if (getSelection()?.isCollapsed !== false && event.detail < 2) press(row)
            }}
          >
            {row.open !== null && <Icon name="chevron" />}
            {row.name === null ? (
              <span class="jdc-tree-more">{words.showMore(number(Math.min(ENTRIES, row.of - row.at + 1)), number(row.of))}</span>
            ) : (
              <>
                <span class={row.isPlace ? 'jdc-place' : 'jdc-key'}>
                  {readable(row.name)}
                  {': '}
                </span>
                <Value {...row} />
                <button
                  type="button"
                  class="jdc-node-copy"
                  tabIndex={-1}
                  aria-label={words.copyValue}
                  title={words.copyValueKey}
                  onClick={(event) => {
                    event.stopPropagation()
                    copy(textOf(row.value), row.path)
                  }}
                >
                  <Icon name={copied === row.path ? 'check' : 'copy'} />
                </button>
              </>
            )}
          </div>
        ))}
      </div>
      <Copied copied={copied !== null} />
    </>
  )
}

function Value({ value, open }: Row) {
  if (typeof value === 'string') {
    return (
      <span class="jdc-string">
        “<bdi>{readable(open === false ? `${value.slice(0, TEXT)}…` : value)}</bdi>”
        {open === false && <span class="jdc-size">{words.moreCharacters(number(value.length - TEXT))}</span>}
      </span>
    )
  }
  if (typeof value !== 'object' || value === null) return <span class="jdc-atom">{String(value)}</span>
  const size = sizeOf(value)
  if (size === 0) return <span class="jdc-size">{Array.isArray(value) ? '[]' : '{}'}</span>
  const count = Array.isArray(value) ? words.items(size, number(size)) : words.fields(size, number(size))
  return (
    <>
      <span class="jdc-size">{count}</span>
      {!open && <span class="jdc-gist">{readable(gist(value))}</span>}
    </>
  )
}

/** What is inside, in a line that may be cut. */
function gist(value: object): string {
  const told = (inner: unknown) => (isBranch(inner) ? '…' : JSON.stringify(inner).slice(0, 40))
  const some = Object.entries(value).slice(0, 6)
  return some.map(([name, inner]) => (Array.isArray(value) ? told(inner) : `${name}: ${told(inner)}`)).join(', ')
}
