/** How every file of the front end is built. */

import { readFile } from 'node:fs/promises'

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

/** A style sheet is imported as its text, for the core to put where it is needed. */
async function cssAsText({ path }) {
  const { code } = await transform(await readFile(path, 'utf8'), { loader: 'css', minify: true })
  return { contents: code.trim(), loader: 'text' }
}
