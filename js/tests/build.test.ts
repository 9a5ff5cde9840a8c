/** What travels with every widget, and what every page loads, stays small. */

import { gzipSync } from 'node:zlib'

import { build } from 'esbuild'
import { expect, test } from 'vitest'

import { options } from '../build.options.mjs'

/** The main file that an entry point is built into. */
async function built(entry: string): Promise<Uint8Array> {
  const { outputFiles } = await build({
    ...options,
    entryPoints: [entry],
    outdir: 'dist',
    write: false,
    splitting: true,
    define: { CORE: '"core-ABCDEFGH.js"', WORKER: '"worker-ABCDEFGH.js"' },
  })
  const name = entry.replace(/^src\/(.*)\.tsx?$/, '/$1.js')
  return outputFiles.find(({ path }) => path.endsWith(name))?.contents ?? expect.fail(`no ${name}`)
}

test('the loader is under 2 kB', async () => {
  const loader = await built('src/widget.ts')
  expect(loader.length).toBeLessThan(2000)
})

test('the core is under 80 kB over the wire', async () => {
  const core = await built('src/core.ts')
  expect(gzipSync(core, { level: 9 }).length).toBeLessThan(80 * 1024)
})
