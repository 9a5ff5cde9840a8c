/** What kind of code a fence has, under whatever name of its language. */

const KINDS: Record<string, string> = {
  '': 'text',
  text: 'text',
  txt: 'text',
  py: 'python',
  python3: 'python',
  ipython: 'python',
  ipython3: 'python',
  bash: 'shell',
  sh: 'shell',
  zsh: 'shell',
  js: 'javascript',
  ts: 'typescript',
  jl: 'julia',
  'c++': 'cpp',
}

/** One name for all names of a language. What names none is `text`. */
export function kindOf(language: string): string {
  return (Object.hasOwn(KINDS, language) && KINDS[language]) || language
}
