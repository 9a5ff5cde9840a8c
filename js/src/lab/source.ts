/** A fence's code as the source of a cell: which kinds of code a kernel takes, and how it is told of another language. */

import { kindOf } from '../view/kinds'
import type { Snippet } from '../view/types'
import { refusal } from './refusal'

/** The kinds of code that a kernel of this language takes. */
export function kindsOf(language: string): readonly string[] {
  const kind = kindOf(language)
  return kind === 'python' ? ['text', 'python', 'shell'] : ['text', kind]
}

/** Throws a refusal for code that the kernel does not take. */
export function cellSource({ code, language }: Snippet, kernel: string): string {
  const kind = kindOf(language)
  if (!kindsOf(kernel).includes(kind)) throw refusal('otherLanguage')
  const source = code.replace(/\n+$/, '')
  return kind === 'shell' && kindOf(kernel) === 'python' ? inPython(source) : source
}

const INSTALL = /^(?:[!%]|python3? -m )?(pip|conda)3? (?=(?:install|uninstall|list|show|freeze)\b)(?!.*[|;&\\])/
const PROMPT = /^\$ /

/** A script for bash; installing, in IPython's own words: they mean the kernel's environment, whatever the shell's is. */
function inPython(source: string): string {
  const written = source.split('\n')
  const typed = written.filter((line) => PROMPT.test(line)) // in a session, all else is what came out
  const lines = typed.length > 0 ? typed.map((line) => line.replace(PROMPT, '')) : written
  const installs = lines.every((line) => !line.trim() || line.startsWith('#') || INSTALL.test(line))
  return installs ? lines.map((line) => line.replace(INSTALL, '%$1 ')).join('\n') : `%%bash\n${lines.join('\n')}`
}
