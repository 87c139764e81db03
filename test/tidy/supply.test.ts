/** What is installed with the package: all of it known, unchanged, and free to be used. */

import { execFileSync } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { root } from './source-tree.ts'

interface Locked {
  readonly name?: string
  readonly version: string
  readonly license?: string
  readonly integrity?: string
  readonly dev?: boolean
  readonly link?: boolean
  readonly hasInstallScript?: boolean
}

interface Component {
  readonly name: string
  readonly version: string
  readonly purl: string
  readonly hashes: readonly { readonly alg: string; readonly content: string }[]
  readonly licenses: readonly object[]
}

const read = (name: string) => JSON.parse(readFileSync(join(root, name), 'utf8'))
const { packages } = read('package-lock.json') as { packages: Record<string, Locked> }
const shipped = Object.entries(packages).filter(([path, it]) => path !== '' && it.dev !== true)

/** Licences that ask for no more than to be named. */
const licences = [
  '0BSD',
  'Apache-2.0',
  'BlueOak-1.0.0',
  'BSD-2-Clause',
  'BSD-3-Clause',
  'ISC',
  'MIT',
  'Zlib',
]

/** Whether an expression of SPDX, without brackets within it, asks for no other. */
function isFree(expression = ''): boolean {
  const bare = expression.replace(/^\((.*)\)$/, '$1')
  const isKnown = (name: string) => licences.includes(name)
  return bare.split(' OR ').some((choice) => choice.split(' AND ').every(isKnown))
}

describe('what is installed with the package', () => {
  it('is all of it under a licence that asks for no more than to be named', () => {
    expect(shipped.length).toBeGreaterThan(50)
    expect(shipped.filter(([, it]) => !isFree(it.license)).map(([path]) => path)).toEqual([])
  })

  it.each([
    ['GPL-3.0-only', false],
    ['(MIT AND GPL-3.0-only)', false],
    ['(GPL-3.0-only OR MIT)', true],
    ['(MIT AND Zlib)', true],
    [undefined, false],
  ])('of licences %s', (expression, wanted) => {
    expect(isFree(expression)).toBe(wanted)
  })

  it('is what its sum says, and nothing from elsewhere', () => {
    const isUnsure = (it: Locked) => it.link === true || !/^sha512-/.test(it.integrity ?? '')
    expect(shipped.filter(([, it]) => isUnsure(it)).map(([path]) => path)).toEqual([])
  })

  it('runs nothing while it is installed, but for the part of msgpackr that is not loaded', () => {
    const scripted = shipped.filter(([, it]) => it.hasInstallScript === true)
    expect(scripted.map(([path]) => path)).toEqual(['node_modules/msgpackr-extract'])
    expect(read('package.json').allowScripts).toMatchObject({ 'msgpackr-extract': false })
  })

  it('has exact versions, those for development, too', () => {
    const { dependencies, devDependencies } = read('package.json')
    const versions = Object.values({ ...dependencies, ...devDependencies }) as string[]
    expect(versions.length).toBeGreaterThan(20)
    expect(versions.filter((it) => !/^(?:npm:[\w-]+@)?\d+\.\d+\.\d+$/.test(it))).toEqual([])
  })
})

describe('npm run sbom', () => {
  const script = join(root, '.ci/sbom.mjs')
  const print = () => execFileSync(process.execPath, [script], { encoding: 'utf8' })
  const { bomFormat, specVersion, components } = JSON.parse(print()) as {
    bomFormat: string
    specVersion: string
    components: readonly Component[]
  }

  it('is the command for it', () => {
    expect(read('package.json').scripts.sbom).toBe('node .ci/sbom.mjs')
    expect([bomFormat, specVersion]).toEqual(['CycloneDX', '1.5'])
  })

  it('names each package once, with its licence and its sum', () => {
    const wanted = shipped.map(([path, it]) => {
      const name = it.name ?? path.replace(/^.*node_modules\//, '')
      const sum = Buffer.from((it.integrity ?? '').replace('sha512-', ''), 'base64')
      return `${name} ${it.version} ${sum.toString('hex')}`
    })
    const named = components.map((it) => `${it.name} ${it.version} ${it.hashes[0]?.content}`)
    expect(named.toSorted()).toEqual([...new Set(wanted)].toSorted())
    expect(components.every((it) => it.licenses.length === 1)).toBe(true)
    expect(named).toContainEqual(expect.stringMatching(/^uwebsockets /))
    expect(components.map((it) => it.purl)).toContain('pkg:npm/uwebsockets@3.0.6')
  })

  it('says the same again', () => {
    expect(print()).toBe(print())
  })
})
