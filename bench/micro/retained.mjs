// Streams whose records are made to expire by clocks that are moved by hand, for T1.
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { loadPart, logOptions, millrace, someBytes, withScratch } from './harness.mjs'

const { Streams } = await loadPart('stream/streams.js')

export const mebibyte = 1024 * 1024
export const gigabyte = 1e9
const streamName = 'retained'
export const expiryMillis = 25 * 3_600_000
/** The clocks of a machine on which time goes by when it is told to. */
class Clocks {
  bootId = 'bench'
  #wall = Date.now()
  #steady = 0
  now = () => this.#wall

  millis() {
    return this.#steady
  }

  pass(millis) {
    this.#wall += millis
    this.#steady += millis
  }
}

export async function withStream(shardCount, options, run) {
  await withScratch(async (scratch) => {
    const dir = join(scratch, 'data')
    const log = await millrace.openLog({ dir, ...logOptions, ...options })
    const clocks = new Clocks()
    const onError = (error) => {
      throw error
    }
    const onServing = () => undefined
    const parts = { now: clocks.now, steadyClock: clocks, onServing, onError }
    const streams = await Streams.open(log, parts)
    await streams.create({ streamName, shardCount })
    while (streams.require(streamName).status !== 'ACTIVE') await sleep(1)
    const shards = [...streams.require(streamName).shards.values()].map((it) => it.number)
    await run({ dir, log, streams, clocks, shards })
    await streams.close()
    await log.close()
  })
}

export function batchOf(recordCount) {
  const builder = new millrace.BatchBuilder()
  for (let i = 0; i < recordCount; i += 1) builder.add(`key-${i}`, someBytes(1024, i + 1))
  return { bytes: Buffer.from(builder.bytes), count: builder.count }
}

/** Appends so many bytes in batches of about 1 MiB, to each shard in turn. */
export async function fill(log, shards, bytes) {
  const batch = batchOf(1000)
  let appended = 0
  for (let i = 0; appended < bytes; i += 1) {
    await log.append(shards[i % shards.length], batch, { durability: 'os' })
    appended += batch.bytes.length
  }
  await log.flush()
  return appended
}

async function sumOf(log, shards, figureOf) {
  let sum = 0
  for (const shard of shards) sum += figureOf(await log.shardStats(shard))
  return sum
}

export const segmentsOf = (log, shards) => sumOf(log, shards, (it) => it.segmentCount)
export const retainedBytes = (log, shards) =>
  sumOf(log, shards, (it) => Number(it.committedEnd - it.trimmedStart))

/** Fails the bench when something is left that has expired. */
export async function checkEmpty(log, shards, trimmed) {
  // Records: a shard that is quiet for a while is given marks that have none.
  const left = await sumOf(log, shards, (it) =>
    Number(it.nextSequenceNumber - it.firstSequenceNumber),
  )
  if (left > 0) throw new Error(`${left} records are left that have expired`)
  return `${Math.round(trimmed / mebibyte)} MiB trimmed`
}
