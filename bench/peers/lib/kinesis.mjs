// Emulators of Kinesis: servers in Node from npm, with a stream of 4 shards over their API, loaded by
// kinesis-load.mjs. They hold everything in memory.
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { freePort, runProgram, startServer } from './programs.mjs'
import { fromNpm } from './sources.mjs'

const script = fileURLToPath(new URL('../kinesis-load.mjs', import.meta.url))
const startSeconds = 60

/** `probes` say what a first load has of each. */
const workloadsOf = (probes) => ({
  batches: {
    what: 'PutRecords of 500 with random keys, 4 requests in flight',
    durability: 'none',
    recordsPerRequest: 500,
    inFlight: 4,
    probe: probes.batches,
  },
  single: {
    what: 'PutRecord, 64 requests in flight',
    durability: 'none',
    recordsPerRequest: 1,
    inFlight: 64,
    probe: probes.single,
  },
})

export async function loadKinesis({ server, settings, records, seconds }) {
  const { recordsPerRequest, inFlight } = settings
  const args = [server.port, records, recordsPerRequest, inFlight].map(String)
  const command = [process.execPath, script, ...args]
  return JSON.parse(await runProgram(command, { place: 'last', seconds }))
}

/**
 * The emulator in the npm package `id`. `commandOf` answers, for a port, the `script` within the
 * package that is its server, its `args` and `env`.
 */
export const kinesisPeer = ({ id, version, probes, commandOf }) => ({
  id,
  name: id,
  workloads: workloadsOf(probes),

  async install(cache) {
    return { version, package: await fromNpm(cache, id, version) }
  },

  async start({ installed }) {
    const port = await freePort()
    const { script: file, args = [], env } = await commandOf(port)
    const command = [process.execPath, join(installed.package, file), ...args]
    // One of them reads the certificate that stands beside it from where it runs.
    return await startServer(command, { port, env, cwd: installed.package, seconds: startSeconds })
  },

  load: loadKinesis,
})
