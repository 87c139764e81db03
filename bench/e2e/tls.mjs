// The load of I2 over TLS, and without it beside that, in pairs. Both sides come from a generator in
// Node: the native one speaks no TLS.
import { spawnSync } from 'node:child_process'
import { printReport } from '../micro/harness.mjs'
import { measurePair } from './pair.mjs'
import { runNodeLoad } from './servers.mjs'

const both = { generate: runNodeLoad }

if (spawnSync('openssl', ['version']).status === 0) {
  await measurePair({
    name: 'over TLS, generator in Node',
    without: 'the same without TLS',
    both,
    ...both,
    client: async (broker) => {
      broker.secret ??= await broker.ask({ do: 'speakTls' })
      return broker.secret
    },
  })
  printReport()
} else {
  const skipped = 'openssl is not installed (Debian: apt-get install openssl)'
  process.stdout.write(`${JSON.stringify({ rows: [], skipped })}\n`)
}
