/** In place of KaTeX, whose fonts no picture has: TeX as it was written. */

const ENTITIES: Record<string, string> = { '&': '&amp;', '<': '&lt;', '>': '&gt;' }

export default {
  renderToString: (tex: string) => tex.replace(/[&<>]/g, (character) => ENTITIES[character] ?? ''),
}
