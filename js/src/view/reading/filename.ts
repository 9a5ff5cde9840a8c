/** What a block is called as a file of the person's. */

const EXTENSIONS: Record<string, string> = {
  bash: 'sh',
  'c#': 'cs',
  'c++': 'cpp',
  csharp: 'cs',
  fortran: 'f90',
  go: 'go',
  golang: 'go',
  haskell: 'hs',
  ipython: 'py',
  ipython3: 'py',
  javascript: 'js',
  jsonc: 'json',
  julia: 'jl',
  kotlin: 'kt',
  latex: 'tex',
  markdown: 'md',
  matlab: 'm',
  mermaid: 'mmd',
  'objective-c': 'm',
  perl: 'pl',
  postgresql: 'sql',
  powershell: 'ps1',
  python: 'py',
  python3: 'py',
  ruby: 'rb',
  rust: 'rs',
  shell: 'sh',
  typescript: 'ts',
  yaml: 'yml',
  zsh: 'sh',
}

/** Files that have a name and no ending. */
const NAMED: Record<string, string> = { dockerfile: 'Dockerfile', makefile: 'Makefile', cmake: 'CMakeLists.txt' }

/** What has no place in a file's name: folders, what some system forbids, and what makes a name look like another one. */
const NO_NAME = /[\p{C}<>:"|?*\u2028\u2029]|^[\s.]*$/gu

/** The name of a block's file: as its fence says, else after its language. */
export function fileName(language: string, title: string): string {
  const [given = ''] = title.split(/[\\/]/).slice(-1)
  const name = given.replace(NO_NAME, '').trim().slice(-100)
  return name || (own(NAMED, language) ?? `code.${own(EXTENSIONS, language) ?? (/^\w{1,8}$/.test(language) ? language : 'txt')}`)
}

function own(table: Record<string, string>, name: string): string | undefined {
  return Object.hasOwn(table, name) ? table[name] : undefined
}
