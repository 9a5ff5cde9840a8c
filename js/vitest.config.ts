import { readFile } from 'node:fs/promises'

import { defineConfig } from 'vitest/config'

export default defineConfig({
  oxc: { jsx: { runtime: 'automatic', importSource: 'preact' } },
  define: { MERMAID: '""' },
  plugins: [
    {
      // As in build.mjs: a style sheet is its text.
      name: 'css-as-text',
      enforce: 'pre',
      async load(id) {
        if (!id.endsWith('.css')) return null
        return `export default ${JSON.stringify(await readFile(id, 'utf8'))}`
      },
    },
  ],
  test: {
    include: ['tests/**/*.test.{ts,tsx}'],
    testTimeout: 10_000,
    setupFiles: ['tests/setup.ts'],
  },
})
