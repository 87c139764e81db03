#!/usr/bin/env node
// Prints a software bill of materials (CycloneDX 1.5) of what a user of this package installs with it.
// From the lock file, always the same for the same one. `npm sbom --omit dev` would leave out what
// packages for development need as well.
import { readFileSync } from 'node:fs'

const read = (name) => JSON.parse(readFileSync(new URL(`../${name}`, import.meta.url), 'utf8'))
const PATH = 'node_modules/'

function packageUrl(name, version) {
  return `pkg:npm/${name.replace('@', '%40')}@${version}`
}

function licenceOf(text) {
  return text.includes(' ') ? { expression: text } : { license: { id: text } }
}

function hashOf(integrity) {
  const [, content] = /^sha512-(.+)$/.exec(integrity)
  return { alg: 'SHA-512', content: Buffer.from(content, 'base64').toString('hex') }
}

function component([path, { name: alias, version, license, integrity, optional, devOptional }]) {
  const name = alias ?? path.slice(path.lastIndexOf(PATH) + PATH.length)
  const purl = packageUrl(name, version)
  return {
    type: 'library',
    'bom-ref': purl,
    name,
    version,
    scope: optional || devOptional ? 'optional' : 'required',
    hashes: [hashOf(integrity)],
    licenses: [licenceOf(license)],
    purl,
  }
}

const { name, version, license } = read('package.json')
const purl = packageUrl(name, version)
const shipped = Object.entries(read('package-lock.json').packages).filter(
  ([path, { dev }]) => path !== '' && dev !== true,
)
const components = new Map(shipped.map((it) => [component(it).purl, component(it)]))
const bill = {
  bomFormat: 'CycloneDX',
  specVersion: '1.5',
  version: 1,
  metadata: {
    component: {
      type: 'library',
      'bom-ref': purl,
      name,
      version,
      licenses: [licenceOf(license)],
      purl,
    },
  },
  components: [...components.values()],
}
process.stdout.write(`${JSON.stringify(bill, null, 2)}\n`)
