// One load of puts on the broker, into a stream of its own that is read back and then deleted.
import { runProgram } from './servers.mjs'

export const shards = 4

/** What I2 puts; its rows and its pairs are about the same load. */
export const putRecords = {
  name: 'PutRecords, 500 x 100 B, random keys',
  frameBytes: 60_000,
  load: { kind: 'records', records: 500, recordBytes: 100, connections: 1, window: 16 },
}

/** Connections need some frames until the windows of TCP are open. */
export const withWarmUp = (frames) => ({ frames, warmUp: Math.floor(frames / 5) })

/** Limits that no load reaches: what is measured is what it costs to look at them. */
export const limitOptions = {
  shardLimits: { recordsPerSecond: 2 ** 40, bytesPerSecond: 2 ** 40, bytesBurst: 2 ** 40 },
  readLimits: { readsPerSecond: 2 ** 20, bytesPerSecond: 2 ** 40 },
}

const runLoad = (options, environment) => runProgram('ws_load', options, environment)

/**
 * Runs a load. `streamMode` is that of its stream; `prepare` gets the connection that controls the
 * broker and the name of the stream, before the first record; `client` answers the port and the
 * token of who puts, and the authority `ca` of a port with TLS; `meanwhile` begins something and
 * answers what ends it; `generate` runs another generator than the native one.
 *
 * @returns what the generator reports.
 * @throws when what is read back is not what was acknowledged.
 */
export async function turnOfBroker({ broker, control }, load, variant = {}) {
  const { durability = 'os', streamMode = 'ON_DEMAND', prepare, client, meanwhile } = variant
  const { generate = runLoad } = variant
  const stream = `bench-${durability}`
  await control.createStream(stream, shards, streamMode)
  await prepare?.(control, stream)
  const iterators = (await control.startsOf(stream)).join(',')
  const { port, token, ca } = (await client?.(broker)) ?? broker
  const server = { port, serverPid: broker.pid, ...(ca !== undefined && { ca }) }
  const environment = token === undefined ? {} : { MILLRACE_BENCH_TOKEN: token }
  const end = meanwhile?.(broker)
  const options = { ...load, ...server, stream, shards, durability, iterators }
  const report = await generate(options, environment)
  await end?.()
  if (!/^\d+ records read back/.test(report.verified)) throw new Error('nothing was read back')
  // Its segments are what the next stream writes to.
  await control.deleteStream(stream)
  return report
}
