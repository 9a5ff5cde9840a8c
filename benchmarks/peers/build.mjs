/** Each peer as one page loads it: `dist/NAME.js`, with the chunks that it fetches by itself. */

import { build } from 'esbuild'

await build({
  entryPoints: ['react-markdown.jsx', 'streamdown.jsx'],
  outdir: 'dist',
  bundle: true,
  splitting: true,
  minify: true,
  format: 'esm',
  target: 'es2022',
  jsx: 'automatic',
  define: { 'process.env.NODE_ENV': '"production"' },
  legalComments: 'none',
  logLevel: 'warning',
})
