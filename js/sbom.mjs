/** What npm packages a build is made of, as a CycloneDX SBOM: npm's own, cut to the packages that are in it. */

import { execFileSync } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'

const LIST = ['sbom', '--sbom-format=cyclonedx', '--package-lock-only']

/**
 * The same builds give the same text, wherever: it has no time, no serial number and no version of npm.
 *
 * @param {string} folder of package.json
 * @param {string[]} sources the files that were bundled, as esbuild names them
 */
export function sbom(folder, sources) {
  const { serialNumber: _serial, metadata, components, dependencies, ...rest } = list(folder)
  const whole = { ...metadata.component, name: identity(folder).name }
  const bundled = packages(sources).map((path) => {
    const { name, version } = identity(join(folder, path))
    const found = components.find((component) => component.name === name && component.version === version)
    if (!found) throw new Error(`${name} ${version} is bundled, and not in package-lock.json.`)
    return found
  })
  const there = new Set([whole, ...bundled].map((component) => component['bom-ref']))
  return `${JSON.stringify(
    {
      ...rest,
      metadata: { lifecycles: [{ phase: 'build' }], component: whole },
      components: components.filter((component) => bundled.includes(component)),
      dependencies: dependencies
        .filter(({ ref }) => there.has(ref))
        .map(({ ref, dependsOn }) => ({ ref, dependsOn: dependsOn.filter((other) => there.has(other)) })),
    },
    null,
    1,
  )}\n`
}

/** npm's own. */
function list(folder) {
  const npm = process.env.npm_execpath
  if (!npm) throw new Error('Build with npm: npm run build.')
  return JSON.parse(execFileSync(process.execPath, [npm, ...LIST], { cwd: folder, encoding: 'utf8' }))
}

/**
 * The folders of the packages that these files are of, in order.
 *
 * @param {string[]} sources
 */
export function packages(sources) {
  const folders = sources.flatMap((source) => /^(?:.*\/)?node_modules\/(?:@[^/]+\/)?[^/]+(?=\/)/.exec(source)?.[0] ?? [])
  return [...new Set(folders)].sort()
}

function identity(folder) {
  return JSON.parse(readFileSync(join(folder, 'package.json'), 'utf8'))
}
