// LMDB in the process of its user, as the embedded log is: put and read by lmdb-load.mjs.
import { fileURLToPath } from 'node:url'
import { runProgram } from './lib/programs.mjs'
import { fromNpm } from './lib/sources.mjs'

const version = '3.5.6'
const script = fileURLToPath(new URL('lmdb-load.mjs', import.meta.url))

export const lmdb = {
  id: 'lmdb',
  name: 'lmdb',
  workloads: {
    one: { what: 'put, one record a call, noSync', durability: 'os', probe: 20_000 },
    batches: { what: '500 puts a transaction, noSync', durability: 'os', probe: 20_000 },
    'batches, synced': {
      what: '500 puts a batch, 64 batches in flight, synced commits',
      durability: 'disk',
      probe: 20_000,
    },
    get: { what: 'get, one record a call', durability: 'os', probe: 20_000 },
    range: { what: 'getRange, value of each record', durability: 'os', probe: 20_000 },
  },

  async install(cache) {
    return { version, package: await fromNpm(cache, 'lmdb', version) }
  },

  async load({ installed, directory, workload, records, seconds }) {
    const args = [installed.package, directory, workload, String(records)]
    return JSON.parse(await runProgram([process.execPath, script, ...args], { seconds }))
  },
}
