/**
 * The front end, as docs/architecture.md lists its files. What one file has to know of another (its hashed name) is
 * built in, so the order below is the order of dependence: worker, core, then what loads the core.
 */

import { execFileSync } from 'node:child_process'
import { mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { basename, dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'

import { build } from 'esbuild'

import { core as coreOptions, inline as inlineOptions, mermaid as mermaidOptions, options } from './build.options.mjs'
import { packages, sbom } from './sbom.mjs'

const here = dirname(fileURLToPath(import.meta.url))
const out = join(here, '../jupyter_durable_chat/static')
const builder = createRequire(createRequire(import.meta.url).resolve('@jupyter/builder/package.json'))

const common = { ...options, absWorkingDir: here, outdir: out, metafile: true }

rmSync(out, { recursive: true, force: true })
mkdirSync(out, { recursive: true })

const hashed = { entryNames: '[name]-[hash]', chunkNames: '[name]-[hash]' }
const worker = await build({ ...common, ...hashed, entryPoints: ['src/worker.ts'], format: 'iife' })
const WORKER = entry(worker, 'src/worker.ts')
const mermaid = await build({ ...common, ...mermaidOptions, ...hashed })
const MERMAID = entry(mermaid, 'src/mermaid/frame.ts')
const define = { WORKER: JSON.stringify(WORKER), MERMAID: JSON.stringify(MERMAID) }
const core = await build({ ...common, ...coreOptions, ...hashed, define })
const CORE = files(core, 'src/core.ts')
// Where no server is reachable there is no Mermaid, and its diagrams are code.
const inline = await build({ ...common, ...inlineOptions, define: { ...define, MERMAID: '""' } })
const loads = { CORE: JSON.stringify(CORE) }
const widget = await build({ ...common, define: loads, entryPoints: ['src/widget.ts'] })
const page = await build({ ...common, ...hashed, define: loads, entryPoints: ['src/page.ts'] })
const plugins = await build({
  ...common,
  outdir: join(here, 'dist'),
  define: loads,
  minify: false,
  entryPoints: { plugin: 'src/plugin.ts', lab: 'src/lab/plugin.ts' },
  external: ['@lumino/*', '@jupyterlab/*'], // the application has them
})

writeFileSync(join(out, 'manifest.json'), `${JSON.stringify({ core: CORE[0], worker: WORKER, page: entry(page, 'src/page.ts') })}\n`)
const sources = [worker, mermaid, core, inline, widget, page, plugins].flatMap(({ metafile }) => Object.keys(metafile.inputs))
writeFileSync(join(out, 'licenses.txt'), packages(sources).map(license).join('\n'))
writeFileSync(join(here, 'dist/front-end.cdx.json'), sbom(here, sources))

execFileSync(
  process.execPath,
  [
    builder.resolve('./lib/build-labextension.js'),
    '--core-package-file',
    builder.resolve('@jupyterlab/core-meta/core.package.json'),
    here,
  ],
  { stdio: ['ignore', 'ignore', 'inherit'] },
)

/** The file that an entry point became. */
function entry(built, source) {
  return files(built, source)[0]
}

/** The same, and the files that it is nothing without. */
function files({ metafile }, source) {
  const [file, { imports }] = Object.entries(metafile.outputs).find(([, { entryPoint }]) => entryPoint === source)
  const needed = imports.filter(({ kind }) => kind === 'import-statement')
  return [file, ...needed.map(({ path }) => path)].map((path) => basename(path))
}

/** The licence texts of a package. */
function license(path) {
  const folder = join(here, path)
  const { name, version, license } = JSON.parse(readFileSync(join(folder, 'package.json'), 'utf8'))
  const files = readdirSync(folder).filter((file) => /^licen[cs]e/i.test(file))
  const texts = files.sort().map((file) => readFileSync(join(folder, file), 'utf8').trim())
  return [`${'='.repeat(80)}\n${name} ${version} (${license})`, ...texts, ''].join('\n\n')
}
