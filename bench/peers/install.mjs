#!/usr/bin/env node
// Installs the peers of the benches into a folder outside of the checkout: `npm run bench:peers`.
import { mkdirSync } from 'node:fs'
import { parseArgs } from 'node:util'
import { peers } from './catalog.mjs'
import { cacheDirectory } from './lib/sources.mjs'

const HELP = `npm run bench:peers -- [PEER...]

Installs what Millrace is compared with (all, or those that are named: ${Object.keys(peers).join(', ')})
from the registries of npm, Debian, Go and Maven. What is installed already stays as it is.

  --help   this text

Folder: ${cacheDirectory()} (MILLRACE_BENCH_CACHE names another one)
`
const exitFailed = 1
const exitUsage = 2

async function install(id, cache) {
  const peer = peers[id]
  process.stdout.write(`${peer.name} ...\n`)
  try {
    const { version } = await peer.install(cache)
    process.stdout.write(`${peer.name} ${version}\n`)
  } catch (error) {
    process.stdout.write(`${peer.name}: absent: ${error.message}\n`)
    process.exitCode = exitFailed
  }
}

async function main(args) {
  const { values, positionals } = parseArgs({
    args,
    allowPositionals: true,
    options: { help: { type: 'boolean', default: false } },
  })
  if (values.help) {
    process.stdout.write(HELP)
    return
  }
  const unknown = positionals.filter((id) => !Object.hasOwn(peers, id))
  if (unknown.length > 0) throw new RangeError(`no peer is called ${unknown.join(', ')}`)
  const cache = { directory: cacheDirectory(), mayInstall: true }
  mkdirSync(cache.directory, { recursive: true })
  for (const id of positionals.length > 0 ? positionals : Object.keys(peers)) {
    await install(id, cache)
  }
}

try {
  await main(process.argv.slice(2))
} catch (error) {
  process.stderr.write(`${error.message}\n${HELP}`)
  process.exitCode = exitUsage
}
