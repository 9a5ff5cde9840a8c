/** What travels with every widget, and what every page loads, stays small. */

import { readFileSync } from 'node:fs'
import { basename } from 'node:path'
import { gzipSync } from 'node:zlib'

import { build, type BuildOptions } from 'esbuild'
import { beforeAll, describe, expect, test } from 'vitest'

import { core, options } from '../build.options.mjs'
import { late } from '../src/words/late'

type Built = Map<string, { bytes: Uint8Array; sources: string[]; needs: string[]; fetches: string[] }>

/** The files of a build by their names, each with what it is made of, what it imports at once and what it fetches later. */
async function built(how: BuildOptions): Promise<Built> {
  const { outputFiles, metafile } = await build({
    ...how,
    outdir: 'dist',
    write: false,
    metafile: true,
    define: { CORE: '["core-ABCDEFGH.js", "chunk-ABCDEFGH.js"]', WORKER: '"worker-ABCDEFGH.js"', MERMAID: '"mermaid-ABCDEFGH.js"' },
  })
  const names = new Map(outputFiles.map(({ path, contents }) => [basename(path), contents]))
  return new Map(
    Object.entries(metafile.outputs).map(([path, { imports, inputs }]) => {
      const of = (kind: string) => imports.flatMap((found) => (found.kind === kind ? [basename(found.path)] : []))
      const bytes = names.get(basename(path)) ?? expect.fail(`no ${path}`)
      return [basename(path), { bytes, sources: Object.keys(inputs), needs: of('import-statement'), fetches: of('dynamic-import') }]
    }),
  )
}

/** A file and all that is loaded with it. */
function loaded(files: Built, name: string): Set<string> {
  const all = new Set([name])
  for (const one of all) for (const needed of files.get(one)?.needs ?? []) all.add(needed)
  return all
}

test('the loader is under 2 kB', async () => {
  const files = await built({ ...options, entryPoints: ['src/widget.ts'] })
  expect(files.get('widget.js')?.bytes.length).toBeLessThan(2000)
})

describe('the core', () => {
  let files: Built
  beforeAll(async () => {
    files = await built(core)
  })

  test('is under 80 kB over the wire, with everything that it imports', () => {
    const sizes = [...loaded(files, 'core.js')].map((name) => gzipSync(files.get(name)?.bytes ?? '', { level: 9 }).length)
    expect(sizes.reduce((sum, size) => sum + size)).toBeLessThan(80_000)
  })

  test('says nothing that comes later', () => {
    const sources = [...loaded(files, 'core.js')].flatMap((name) => files.get(name)?.sources ?? []).filter((file) => file.startsWith('src/'))
    const said = sources.flatMap((file) => [...readFileSync(file, 'utf8').matchAll(/\bwords\.(\w+)/g)].map(([, name]) => name as string))
    expect(said.length).toBeGreaterThan(50)
    expect(said.filter((name) => name in late)).toEqual([])
  })

  test('is in all of its chunks: none brings a second copy, none waits for a third file', () => {
    const core = loaded(files, 'core.js')
    const chunks = [...core].flatMap((name) => files.get(name)?.fetches ?? [])
    expect(chunks.length).toBeGreaterThan(0)
    for (const chunk of chunks) expect([...loaded(files, chunk)].filter((name) => name !== chunk && !core.has(name))).toEqual([])
  })
})
