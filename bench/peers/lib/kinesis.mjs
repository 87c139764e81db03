// What the emulators of Kinesis have in common: a stream of 4 shards over their API, loaded by
// kinesis-load.mjs. They hold everything in memory.
import { fileURLToPath } from 'node:url'
import { runProgram } from './programs.mjs'

const script = fileURLToPath(new URL('../kinesis-load.mjs', import.meta.url))

/** `probe` is what a first load has of each. */
export const kinesisWorkloads = ({ batches, single }) => ({
  batches: {
    what: 'PutRecords of 500 with random keys, 4 requests in flight',
    durability: 'none',
    recordsPerRequest: 500,
    inFlight: 4,
    probe: batches,
  },
  single: {
    what: 'PutRecord, 64 requests in flight',
    durability: 'none',
    recordsPerRequest: 1,
    inFlight: 64,
    probe: single,
  },
})

export async function loadKinesis({ server, settings, records, seconds }) {
  const { recordsPerRequest, inFlight } = settings
  const args = [server.port, records, recordsPerRequest, inFlight].map(String)
  const command = [process.execPath, script, ...args]
  return JSON.parse(await runProgram(command, { place: 'last', seconds }))
}
