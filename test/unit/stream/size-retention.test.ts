/** A stream that keeps so many bytes. */

import { expect, test, vi } from 'vitest'
import type { Log, ShardId } from '../../../src/log/log.ts'
import type { Shard } from '../../../src/shard/shard.ts'
import type { Stream } from '../../../src/stream/stream.ts'
import type { Streams } from '../../../src/stream/streams.ts'
import { BatchBuilder } from '../../../src/wire/batch-builder.ts'
import { FakeClocks } from '../../support/fake-clocks.ts'
import { openStreams, temporaryDirectory, untilQuiet } from './harness.ts'

vi.setConfig({ testTimeout: 30_000 })

async function makeStream(streams: Streams, shardCount = 1): Promise<Stream> {
  await streams.create({ streamName: 's', shardCount })
  await untilQuiet(streams)
  return streams.require('s')
}

function shardsOf(streams: Streams): Shard[] {
  return [...streams.require('s').shards.values()]
}

async function append(log: Log, shard: ShardId, count: number, bytes = 8): Promise<void> {
  const builder = new BatchBuilder()
  for (let i = 0; i < count; i += 1) builder.add('k', new Uint8Array(bytes))
  await log.append(shard, builder, { durability: 'os' })
}

/** Numbers of the records that can be read: the first, and the next one to come. */
async function readable(log: Log, shard: ShardId): Promise<[bigint, bigint]> {
  const stats = await log.shardStats(shard)
  return [stats.firstSequenceNumber, stats.committedNextSequenceNumber]
}

const kib = 1024

test('the newest batch of a shard stays, and others make up for it', async () => {
  const { streams, log, close } = await openStreams(temporaryDirectory())
  await makeStream(streams, 2)
  const [idle, busy] = shardsOf(streams).map((it) => it.number) as [ShardId, ShardId]
  // Older than all else, and two thirds of the bound.
  await append(log, idle, 32, 64 * kib)
  const { lastArrivalMillis } = await log.shardStats(idle)
  await vi.waitUntil(() => Date.now() > lastArrivalMillis, { interval: 1 })
  for (let i = 0; i < 48; i += 1) await append(log, busy, 1, 64 * kib)
  const held = async (shard: ShardId) => {
    const { committedEnd, trimmedStart } = await log.shardStats(shard)
    return Number(committedEnd - trimmedStart)
  }
  const bytesMax = 3 * 1024 * kib
  await streams.settings.setRetentionBytes('s', bytesMax)
  await untilQuiet(streams)
  expect(await readable(log, idle)).toEqual([1n, 33n])
  const total = (await held(idle)) + (await held(busy))
  expect(total).toBeLessThanOrEqual(bytesMax)
  expect(total).toBeGreaterThan(bytesMax - bytesMax / 64 - 2 * 65 * kib)
  // Where the newest batches alone are more than the bound they are all that is left.
  await streams.settings.setRetentionBytes('s', 1024 * kib)
  await untilQuiet(streams)
  expect(await readable(log, idle)).toEqual([1n, 33n])
  expect(await readable(log, busy)).toEqual([48n, 49n])
  await close()
})

test('by size the oldest go first, of all shards together', async () => {
  const clocks = new FakeClocks()
  const { streams, log, close } = await openStreams(temporaryDirectory(), { clocks })
  await makeStream(streams, 3)
  const numbers = shardsOf(streams).map((it) => it.number)
  const arrivals: number[] = []
  for (let round = 0; round < 24; round += 1) {
    // One of them gets twice as much.
    for (const [at, number] of numbers.entries()) {
      await append(log, number, at === 0 ? 2 : 1, 64 * kib)
    }
    arrivals.push((await log.shardStats(numbers[0] as ShardId)).lastArrivalMillis)
    await vi.waitUntil(() => Date.now() > (arrivals.at(-1) as number), { interval: 1 })
  }
  const held = async () => {
    const stats = await Promise.all(numbers.map((it) => log.shardStats(it)))
    return stats.map((it) => Number(it.committedEnd - it.trimmedStart))
  }
  const total = (bytes: number[]) => bytes.reduce((a, b) => a + b, 0)
  expect(total(await held())).toBeGreaterThan(6 * 1024 * kib - 1)
  const bytesMax = 3 * 1024 * kib
  await streams.settings.setRetentionBytes('s', bytesMax)
  await untilQuiet(streams)
  const left = await held()
  expect(total(left)).toBeLessThanOrEqual(bytesMax)
  // No more went than had to: what arrived in one round, and the part that is spared the next look.
  expect(total(left)).toBeGreaterThan(bytesMax - bytesMax / 64 - 5 * 64 * kib)
  // All keep the same time, but for a round: 2, 1 and 1 records of each.
  const counts = await Promise.all(
    numbers.map(async (it) => {
      const [first, next] = await readable(log, it)
      return Number(next - first)
    }),
  )
  const [double = 0, single = 0, other = 0] = counts
  expect(Math.abs(double - 2 * single)).toBeLessThanOrEqual(2)
  expect(Math.abs(single - other)).toBeLessThanOrEqual(1)
  await streams.settings.setRetentionBytes('s', undefined)
  await untilQuiet(streams)
  expect(streams.require('s').retentionBytes).toBeUndefined()
  await close()
})

test('by size, what came in the same millisecond goes in part', async () => {
  const clocks = new FakeClocks()
  const { streams, log, close } = await openStreams(temporaryDirectory(), { clocks })
  await makeStream(streams, 2)
  const numbers = shardsOf(streams).map((it) => it.number)
  const builder = new BatchBuilder()
  builder.add('k', new Uint8Array(16 * kib))
  await Promise.all(
    Array.from({ length: 256 }, (_, i) =>
      log.append(numbers[i % 2] as ShardId, builder, { durability: 'os' }),
    ),
  )
  await streams.settings.setRetentionBytes('s', 2 * 1024 * kib)
  await untilQuiet(streams)
  let left = 0
  for (const number of numbers) {
    const { committedEnd, trimmedStart } = await log.shardStats(number)
    const bytes = Number(committedEnd - trimmedStart)
    expect(bytes).toBeGreaterThan(512 * kib)
    left += bytes
  }
  expect(left).toBeLessThanOrEqual(2 * 1024 * kib)
  expect(left).toBeGreaterThan(1.8 * 1024 * kib)
  await close()
})

test('a bound is kept as more comes in, without anybody asking', async () => {
  const clocks = new FakeClocks()
  const { streams, log, close } = await openStreams(temporaryDirectory(), { clocks })
  await makeStream(streams)
  const shard = shardsOf(streams)[0]?.number as ShardId
  await streams.settings.setRetentionBytes('s', 1024 * kib)
  await untilQuiet(streams)
  for (let i = 0; i < 40; i += 1) await append(log, shard, 1, 64 * kib)
  const isWithin = async () => {
    const { committedEnd, trimmedStart } = await log.shardStats(shard)
    return Number(committedEnd - trimmedStart) <= 1024 * kib
  }
  await expect.poll(isWithin, { interval: 20, timeout: 10_000 }).toBe(true)
  // The last one is there, however many there were.
  const [first, next] = await readable(log, shard)
  expect(next).toBe(41n)
  expect(first).toBeLessThan(40n)
  await close()
})
