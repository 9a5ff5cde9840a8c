// @vitest-environment jsdom
/** Code from a chat in a notebook that is like JupyterLab's: where it goes, what it replaces, and what is refused. */

import { beforeEach, describe, expect, test } from 'vitest'
import { Cells } from '../../src/lab/cells'
import type { App, Cell, Panel } from '../../src/lab/jupyter'
import { cellSource } from '../../src/lab/source'

let did: string[]
let panel: Panel & { content: { widgets: Cell[] } }
let cells: Cells
let listening: AbortController

function makeCell(id: string, source: string, { type = 'code', chat = false, editable = true } = {}): Cell {
  const node = document.createElement('div')
  node.innerHTML = chat ? '<div class="jdc"><button></button></div>' : '<textarea></textarea>'
  const sharedModel = { source, setSource: (next: string) => void (sharedModel.source = next) }
  const getMetadata = (key: string) => (key === 'editable' ? editable : undefined)
  return { id, node, model: { id, type, executionCount: null, getMetadata, sharedModel } }
}

function makePanel(...widgets: Cell[]): typeof panel {
  const node = document.createElement('div')
  node.append(...widgets.map((cell) => cell.node))
  document.body.append(node)
  const signal = { connect: () => true, disconnect: () => true }
  const content: Panel['content'] & { widgets: Cell[] } = {
    node,
    widgets,
    activeCellIndex: 0,
    get activeCell() {
      return content.widgets[content.activeCellIndex] ?? null
    },
    mode: 'command',
    deselectAll: () => undefined,
    model: {
      sharedModel: {
        getMetadata: (key) => (key === 'kernelspec' ? { language: 'python' } : undefined),
        insertCell(index, { source }) {
          const cell = makeCell(`new-${content.widgets.length}`, source)
          content.widgets.splice(index, 0, cell)
          node.insertBefore(cell.node, content.widgets[index + 1]?.node ?? null)
        },
      },
    },
  }
  return { id: 'panel', node, disposed: { connect: () => true, disconnect: () => true }, content, context: { path: 'a.ipynb', ready: Promise.resolve(), model: { dirty: false }, save: async () => undefined, saveState: signal }, sessionContext: { session: null } }
}

beforeEach(() => {
  listening?.abort()
  listening = new AbortController()
  document.body.replaceChildren()
  did = []
  panel = makePanel(makeCell('first', 'x = 1'), makeCell('chat', 'Chat()', { chat: true }), makeCell('last', 'y = 2'))
  const other = { id: 'launcher', node: document.body }
  const app: App = {
    shell: { widgets: () => [other, panel], activateById: (id) => void did.push(`activate ${id}`), add: () => undefined },
    commands: { isEnabled: () => true, hasCommand: () => false, addCommand: () => undefined, execute: async (id) => did.push(`${id} ${panel.content.activeCell?.model.sharedModel.source}`) },
  }
  cells = new Cells(app, document, listening.signal)
})

const python = (code: string) => ({ code, language: 'python' })
const chat = () => panel.node.querySelector('.jdc button') as HTMLElement
const sources = () => panel.content.widgets.map(({ model }) => model.sharedModel.source)

/** As a person does: the press comes before the application takes note of it. */
function pressIn(cell: number): void {
  const { node } = panel.content.widgets[cell] as Cell
  node.querySelector('button, textarea')?.dispatchEvent(new Event('pointerdown', { bubbles: true }))
  panel.content.activeCellIndex = cell
}

describe('a new cell', () => {
  test('is below the chat, is the active one, and nothing runs', async () => {
    await cells.insertBelow(python('z = 3\n'), chat())
    expect(sources()).toEqual(['x = 1', 'Chat()', 'z = 3', 'y = 2'])
    expect(panel.content.activeCellIndex).toBe(2)
    expect(did).toEqual(['activate panel'])
  })

  test('is below those that came from the chat before', async () => {
    for (const code of ['a', 'b', 'c']) await cells.insertBelow(python(code), chat())
    expect(sources()).toEqual(['x = 1', 'Chat()', 'a', 'b', 'c', 'y = 2'])
  })

  test('is not made again for the same code', async () => {
    await cells.insertBelow(python('a'), chat())
    await cells.insertBelow(python('b'), chat())
    await cells.run(python('a'), chat())
    expect(sources()).toEqual(['x = 1', 'Chat()', 'a', 'b', 'y = 2'])
    expect(did.at(-1)).toBe('notebook:run-cell a')
  })

  test('runs', async () => {
    await cells.run(python('z = 3'), chat())
    expect(did).toEqual(['activate panel', 'notebook:run-cell z = 3'])
  })
})

describe('what is replaced', () => {
  test('is nothing as long as the person was in no cell', async () => {
    pressIn(1)
    expect(cells.target(chat())).toBeNull()
    await expect(cells.replace(python('z'), chat())).rejects.toThrow('nothingToReplace')
    expect(sources()).toEqual(['x = 1', 'Chat()', 'y = 2'])
  })

  test('is the cell that the person was in last', async () => {
    pressIn(0)
    pressIn(2)
    pressIn(1)
    expect(cells.target(chat())).toEqual({ count: null, line: 'y = 2' })
    await cells.replace(python('z = 3'), chat())
    expect(sources()).toEqual(['x = 1', 'Chat()', 'z = 3'])
    expect([panel.content.activeCellIndex, panel.content.mode]).toEqual([2, 'edit'])
  })

  test('is the cell that came from the chat, until they go elsewhere', async () => {
    await cells.insertBelow(python('a'), chat())
    pressIn(1)
    expect(cells.target(chat())?.line).toBe('a')
    pressIn(0)
    pressIn(1)
    expect(cells.target(chat())?.line).toBe('x = 1')
  })

  test('is no text and no chat', () => {
    panel.content.widgets.push(makeCell('text', '# Text', { type: 'markdown' }), makeCell('other', 'Chat()', { chat: true }))
    for (const { node } of panel.content.widgets.slice(-2)) panel.node.append(node)
    for (const cell of [3, 4]) {
      pressIn(cell)
      pressIn(1)
      expect(cells.target(chat())).toBeNull()
    }
  })

  test('is no cell that is gone, or that may not be edited', async () => {
    panel.content.widgets.push(makeCell('fixed', 'import os', { editable: false }))
    panel.node.append((panel.content.widgets[3] as Cell).node)
    pressIn(3)
    pressIn(1)
    await expect(cells.replace(python('z'), chat())).rejects.toThrow('notEditable')
    panel.content.widgets.pop()
    expect(cells.target(chat())).toBeNull()
  })
})

describe('refused is', () => {
  test('a chat outside of a notebook', async () => {
    const outside = document.body.appendChild(document.createElement('div'))
    expect(cells.kinds(outside)).toBeNull()
    await expect(cells.insertBelow(python('z'), outside)).rejects.toThrow('noCell')
  })

  test('a notebook that can only be read', async () => {
    Object.assign(panel.content.model as object, { readOnly: true })
    await expect(cells.run(python('z'), chat())).rejects.toThrow('readOnly')
  })

  test('what the kernel does not take', async () => {
    expect(cells.kinds(chat())).toEqual(['text', 'python', 'shell'])
    await expect(cells.insertBelow({ code: 'x', language: 'c++' }, chat())).rejects.toThrow('otherLanguage')
  })
})

test.each([
  ['bash', 'ls -l\n', '%%bash\nls -l'],
  ['sh', 'pip install pandas', '%pip install pandas'],
  ['shell', '# first\n$ python -m pip install -U pandas\n$ pip3 install "x<3"', '%pip install -U pandas\n%pip install "x<3"'],
  ['bash', '$ ls\na.txt\n$ rm a.txt', '%%bash\nls\nrm a.txt'],
  ['bash', 'pip install x && python x.py', '%%bash\npip install x && python x.py'],
  ['ipython3', '%pip list', '%pip list'],
  ['', '1 + 1', '1 + 1'],
])('%s in Python: %j', (language, code, source) => expect(cellSource({ code, language }, 'python')).toBe(source))

test('another kernel takes its own language, under all of its names', () => {
  expect(cellSource({ code: 'x <- 1', language: 'r' }, 'r')).toBe('x <- 1')
  expect(cellSource({ code: 'x', language: 'jl' }, 'julia')).toBe('x')
  expect(() => cellSource({ code: 'ls', language: 'bash' }, 'r')).toThrow('otherLanguage')
})
