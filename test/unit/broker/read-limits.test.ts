/** The limits of shared reads of a PROVISIONED stream, on a clock that is moved by hand. */

import { expect, test, vi } from 'vitest'
import type { Broker, BrokerOptions } from '../../../src/broker/broker.ts'
import { updateStreamMode } from '../../../src/wire/setting-operations.ts'
import {
  failure,
  get,
  iteratorOf,
  logOptions,
  makeBroker,
  makeStream,
  putMany,
  untilActive,
} from './harness.ts'

// Syncs take their time on a busy disk.
vi.setConfig({ testTimeout: 30_000 })

const streamName = 's'
const mib = 1024 * 1024
const kib = 1024

async function made(
  streamMode: 'PROVISIONED' | 'ON_DEMAND' = 'PROVISIONED',
  limits: Pick<BrokerOptions, 'readLimits'> = {},
) {
  let elapsed = 0
  // A read does not go beyond a segment.
  const segments = { segmentBytesMin: 16 * mib, segmentBytesMax: 16 * mib, spareSegments: 0 }
  const options = { ...limits, logOptions: { ...logOptions, ...segments }, elapsed: () => elapsed }
  const { broker } = await makeBroker(options)
  await makeStream(broker, streamName, 2, { streamMode })
  const pass = (millis: number) => {
    elapsed += millis
  }
  return { broker, pass }
}

function horizon(broker: Broker, shardId = '0'): Promise<string> {
  return iteratorOf(broker, { streamName, shardId, shardIteratorType: 'TRIM_HORIZON' })
}

/** Puts so many MiB to the first shard. */
async function fill(broker: Broker, megabytes: number): Promise<void> {
  const record = { key: 'k', data: new Uint8Array(64 * kib - 1), explicitHashKey: 0n }
  for (let i = 0; i < megabytes * 16; i += 1) {
    await putMany(broker, { streamName, durability: 'os' }, [record])
  }
}

test('Kinesis 13: a shard is read 5 times a second, by all readers together', async () => {
  const { broker, pass } = await made()
  const first = await horizon(broker)
  const other = await horizon(broker)
  for (const iterator of [first, other, first, other, first]) await get(broker, iterator)
  const error = await failure(get(broker, other))
  expect(error).toMatchObject({ code: 'THROUGHPUT_EXCEEDED', retryable: true, retryAfterMs: 1000 })
  expect(error.message).toMatch(/^Rate exceeded for shard shardId-000000000000 in stream s: /)
  // Each shard by itself.
  await get(broker, await horizon(broker, '1'))
  pass(1000)
  // The iterator is what it was.
  expect(await get(broker, other)).toMatchObject({ firstSequenceNumber: 1n })
})

test('a broker can have limits of its own', async () => {
  const readLimits = { readsPerSecond: 2, bytesPerSecond: 3 * mib }
  const { broker, pass } = await made('PROVISIONED', { readLimits })
  const iterator = await horizon(broker)
  await get(broker, iterator)
  await get(broker, iterator)
  const { message } = await failure(get(broker, iterator))
  expect(message).toContain('GetRecords reads 2 times and 3 MiB a second of a shard')
  pass(1000)
  await get(broker, iterator)
})

test('Kinesis 13: an answer of 10 MiB is followed by 5 s without any', async () => {
  const { broker, pass } = await made()
  await fill(broker, 12)
  const iterator = await horizon(broker)
  // How much comes with one answer is what the one before has taught.
  await get(broker, iterator, 1)
  pass(1000)
  const { slice, nextShardIterator: next = '' } = await get(broker, iterator)
  expect(slice.length).toBeGreaterThan(10 * mib - 128 * kib)
  const error = await failure(get(broker, next))
  expect(error.code).toBe('THROUGHPUT_EXCEEDED')
  expect(error.retryAfterMs).toBeGreaterThan(4900)
  expect(error.retryAfterMs).toBeLessThanOrEqual(5000)
  pass((error.retryAfterMs ?? 0) - 1)
  expect((await failure(get(broker, next))).retryAfterMs).toBe(1)
  pass(1)
  await get(broker, next)
})

test('records that come along with those that were asked for are not counted', async () => {
  const { broker, pass } = await made()
  const record = { key: 'k', data: new Uint8Array(64 * kib - 1), explicitHashKey: 0n }
  const records = Array.from({ length: 16 }, () => record)
  await putMany(broker, { streamName, durability: 'os' }, records)
  const iterator = await horizon(broker)
  // 40 reads of one of 16 records, each of them with the batch of 1 MiB around it.
  for (let i = 0; i < 40; i += 1) {
    const { recordCount, slice } = await get(broker, iterator, 1)
    expect([recordCount, slice.length > mib - kib]).toEqual([1, true])
    pass(200)
  }
})

test('of an answer keys and data are counted, not what encloses them', async () => {
  const { broker, pass } = await made()
  // 2 bytes of a record are counted, of 6 that it has.
  const records = Array.from({ length: 500 }, () => ({
    key: 'k',
    data: new Uint8Array(1),
    explicitHashKey: 0n,
  }))
  await broker.call(updateStreamMode, { streamName, streamMode: 'ON_DEMAND' })
  await untilActive(broker, streamName)
  for (let i = 0; i < 20; i += 1) {
    await putMany(broker, { streamName, durability: 'os' }, records)
  }
  await broker.call(updateStreamMode, { streamName, streamMode: 'PROVISIONED' })
  await untilActive(broker, streamName)
  const iterator = await horizon(broker)
  await get(broker, iterator, 1)
  for (let i = 0; i < 20; i += 1) {
    pass(1000)
    const { recordCount, slice } = await get(broker, iterator)
    expect([recordCount, slice.length > 60_000]).toEqual([10_000, true])
  }
})

test('an ON_DEMAND stream is read as often as anybody likes', async () => {
  const { broker } = await made('ON_DEMAND')
  await fill(broker, 12)
  const iterator = await horizon(broker)
  for (let i = 0; i < 20; i += 1) await get(broker, iterator)
})

test('the mode counts that the stream has now', async () => {
  const { broker } = await made('ON_DEMAND')
  const iterator = await horizon(broker)
  for (let i = 0; i < 10; i += 1) await get(broker, iterator)
  await broker.call(updateStreamMode, { streamName, streamMode: 'PROVISIONED' })
  await untilActive(broker, streamName)
  for (let i = 0; i < 5; i += 1) await get(broker, iterator)
  expect((await failure(get(broker, iterator))).code).toBe('THROUGHPUT_EXCEEDED')
  await broker.call(updateStreamMode, { streamName, streamMode: 'ON_DEMAND' })
  await untilActive(broker, streamName)
  await get(broker, iterator)
})

test('refused reads are counted among those of the stream', async () => {
  const { broker } = await made()
  const iterator = await horizon(broker)
  for (let i = 0; i < 5; i += 1) await get(broker, iterator)
  await failure(get(broker, iterator))
  await failure(get(broker, iterator))
  const [stream] = (await broker.stats()).streams
  expect(stream?.readRefused.get('THROUGHPUT_EXCEEDED')).toBe(2)
})
