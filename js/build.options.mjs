/** How every file of the front end is built. */

import { readdir, readFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'

import { transform } from 'esbuild'

/** @type {import('esbuild').BuildOptions} */
export const options = {
  bundle: true,
  minify: true,
  charset: 'utf8',
  target: 'es2022',
  format: 'esm',
  jsx: 'automatic',
  jsxImportSource: 'preact',
  plugins: [{ name: 'css-as-text', setup: (build) => build.onLoad({ filter: /\.css$/ }, cssAsText) }],
  legalComments: 'none', // Every licence is in licenses.txt.
  logLevel: 'warning',
}

/**
 * The core, and the chunks that it fetches when they are needed. Each of them imports the core, so that what they have in
 * common with it is in one file and not in one for every set of them.
 *
 * @type {import('esbuild').BuildOptions}
 */
export const core = { ...options, entryPoints: ['src/core.ts'], inject: ['src/core.ts'], splitting: true }

/**
 * The core in one file, for pages that reach no server: nothing there lists all sessions, or tells of those that nobody watches.
 *
 * @type {import('esbuild').BuildOptions}
 */
export const inline = {
  ...options,
  entryPoints: { 'core-inline': 'src/inline.ts' },
  plugins: [
    ...options.plugins,
    {
      name: 'without-a-server',
      setup(build) {
        build.onResolve({ filter: /^\.\/(?:sessions|attention)$/ }, ({ path }) => ({ path, namespace: 'absent' }))
        build.onLoad({ filter: /./, namespace: 'absent' }, () => ({ contents: 'export {}' }))
      },
    },
  ],
}

/** A style sheet is imported as its text, for the core to put where it is needed. */
async function cssAsText({ path }) {
  const { code } = await transform(await readFile(path, 'utf8'), { loader: 'css', minify: true })
  return { contents: code.trim(), loader: 'text' }
}

/**
 * Mermaid and the frame around it, as one script. Without ELK and KaTeX, which are a third of it: a diagram that asks for ELK's
 * layout gets dagre's, and TeX in a label stays TeX.
 *
 * @type {import('esbuild').BuildOptions}
 */
export const mermaid = {
  ...options,
  entryPoints: { mermaid: 'src/mermaid/frame.ts' },
  format: 'iife',
  plugins: [
    {
      name: 'less-of-mermaid',
      setup(build) {
        build.onResolve({ filter: /^\.\/elk-\w+\.mjs$/ }, dagre)
        build.onResolve({ filter: /^katex$/ }, () => ({ path: join(import.meta.dirname, 'src/mermaid/katex.ts') }))
      },
    },
  ],
}

async function dagre({ importer }) {
  const folder = dirname(importer)
  const file = (await readdir(folder)).find((name) => /^dagre-\w+\.mjs$/.test(name))
  return file ? { path: join(folder, file) } : { errors: [{ text: 'This Mermaid keeps its layouts elsewhere.' }] }
}
