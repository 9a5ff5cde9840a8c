/**
 * The languages that people ask for beside data, for highlight.js. A chunk of its own: it comes with the first code. Colours
 * are built from nodes, never from markup.
 */

import hljs from 'highlight.js/lib/core'
import bash from 'highlight.js/lib/languages/bash'
import cpp from 'highlight.js/lib/languages/cpp'
import java from 'highlight.js/lib/languages/java'
import javascript from 'highlight.js/lib/languages/javascript'
import json from 'highlight.js/lib/languages/json'
import julia from 'highlight.js/lib/languages/julia'
import python from 'highlight.js/lib/languages/python'
import r from 'highlight.js/lib/languages/r'
import sql from 'highlight.js/lib/languages/sql'
import typescript from 'highlight.js/lib/languages/typescript'
import xml from 'highlight.js/lib/languages/xml'
import yaml from 'highlight.js/lib/languages/yaml'

const LANGUAGES = { bash, cpp, java, javascript, json, julia, python, r, sql, typescript, xml, yaml }
for (const [name, language] of Object.entries(LANGUAGES)) hljs.registerLanguage(name, language)
hljs.registerAliases(['python3', 'ipython', 'ipython3'], { languageName: 'python' })
hljs.registerAliases(['console', 'shell', 'shellsession', 'terminal'], { languageName: 'bash' })
hljs.registerAliases(['jsonc', 'json5', 'jsonl'], { languageName: 'json' })
hljs.registerAliases(['postgresql', 'mysql', 'sqlite', 'duckdb'], { languageName: 'sql' })
hljs.configure({ classPrefix: 'jdc-hl-' })

/** The code with its colours; `null` for a language that is not among these. */
export function coloured(code: string, language: string): DocumentFragment | null {
  return hljs.getLanguage(language) ? nodes(hljs.highlight(code, { language, ignoreIllegals: true }).value) : null
}

/** highlight.js writes `<span class="…">`, `</span>` and text with five entities, and nothing else. */
function nodes(markup: string): DocumentFragment {
  const root = document.createDocumentFragment()
  let at: Node = root
  for (const [, opening, closing, text = ''] of markup.matchAll(/<span class="([^"]*)">|(<\/span>)|([^<]+)/g)) {
    if (opening !== undefined) {
      const span = document.createElement('span')
      span.className = opening.replace(/(?<!\S)(?!jdc-)\S+/g, '').trim() // it has names without our prefix, too
      at = at.appendChild(span)
    } else if (closing) {
      at = at.parentNode ?? root
    } else {
      at.appendChild(document.createTextNode(unescape(text)))
    }
  }
  return root
}

const ENTITIES: Record<string, string> = { '&amp;': '&', '&lt;': '<', '&gt;': '>', '&quot;': '"', '&#x27;': "'" }

function unescape(text: string): string {
  return text.replace(/&(?:amp|lt|gt|quot|#x27);/g, (entity) => ENTITIES[entity] ?? entity)
}
