/** What has expired goes, and what has not stays: records, and whole shards. */

import { expect, test, vi } from 'vitest'
import type { Log, SequenceNumber, ShardId } from '../../../src/log/log.ts'
import type { Shard } from '../../../src/shard/shard.ts'
import type { Stream } from '../../../src/stream/stream.ts'
import type { Streams } from '../../../src/stream/streams.ts'
import { BatchBuilder } from '../../../src/wire/batch-builder.ts'
import { FakeClocks } from '../../support/fake-clocks.ts'
import { mergeShards, splitShard } from '../../support/reshard.ts'
import { CutLog } from './cut-log.ts'
import { find, openStreams, temporaryDirectory, untilQuiet } from './harness.ts'

vi.setConfig({ testTimeout: 30_000 })

const second = 1000
const hour = 3_600_000
const day = 24 * hour

async function makeStream(streams: Streams, shardCount = 1): Promise<Stream> {
  await streams.create({ streamName: 's', shardCount, streamMode: 'PROVISIONED' })
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

test('records go a retention period after they came, and not before', async () => {
  const clocks = new FakeClocks()
  const { streams, log, close } = await openStreams(temporaryDirectory(), { clocks })
  const stream = await makeStream(streams, 2)
  const [one, two] = shardsOf(streams).map((it) => it.number) as [ShardId, ShardId]
  await append(log, one, 5)
  await append(log, two, 7)
  clocks.pass(day - 2 * second)
  await streams.retention.sweep()
  expect([await readable(log, one), await readable(log, two)]).toEqual([
    [1n, 6n],
    [1n, 8n],
  ])
  clocks.pass(60 * second)
  await streams.retention.sweep()
  expect([await readable(log, one), await readable(log, two)]).toEqual([
    [6n, 6n],
    [8n, 8n],
  ])
  expect(streams.retention.horizonOf(stream)).toBe(clocks.wallMillis - day - second)
  // It goes on with what comes afterwards.
  await append(log, one, 1)
  clocks.pass(hour)
  await streams.retention.sweep()
  expect(await readable(log, one)).toEqual([6n, 7n])
  await close()
})

test('Kinesis 20: a clock that leaps trims nothing early, also across a restart', async () => {
  const dir = temporaryDirectory()
  const clocks = new FakeClocks()
  const first = await openStreams(dir, { clocks })
  await makeStream(first.streams)
  const shard = shardsOf(first.streams)[0]?.number as ShardId
  await append(first.log, shard, 5)
  clocks.pass(hour)
  clocks.wallMillis += 10 * 365 * day
  await first.streams.retention.sweep()
  expect(await readable(first.log, shard)).toEqual([1n, 6n])
  await first.close()

  // The machine is restarted, with a clock that is wrong the other way round, and then right.
  clocks.restart('boot-2')
  clocks.wallMillis -= 11 * 365 * day
  const second = await openStreams(dir, { clocks })
  await second.streams.retention.sweep()
  clocks.pass(22 * hour)
  clocks.wallMillis += 365 * day
  await second.streams.retention.sweep()
  expect(await readable(second.log, shard)).toEqual([1n, 6n])
  // 23 hours have passed for sure: 24 after one more, and 24 more for the clock that was behind.
  clocks.pass(2 * hour)
  await second.streams.retention.sweep()
  clocks.pass(day)
  await second.streams.retention.sweep()
  expect(await readable(second.log, shard)).toEqual([6n, 6n])
  await second.close()
})

test('stamps that a clock has put far into the future do not keep records for ever', async () => {
  const clocks = new FakeClocks()
  // To the log it is ten years later than to the broker.
  clocks.wallMillis -= 10 * 365 * day
  const { streams, log, close } = await openStreams(temporaryDirectory(), { clocks })
  await makeStream(streams)
  const shard = shardsOf(streams)[0]?.number as ShardId
  await append(log, shard, 5)
  clocks.pass(day + hour)
  await streams.retention.sweep()
  await append(log, shard, 5)
  // Only now it is known how old they are at least.
  clocks.pass(day - hour)
  await streams.retention.sweep()
  expect(await readable(log, shard)).toEqual([1n, 11n])
  clocks.pass(hour)
  await streams.retention.sweep()
  expect(await readable(log, shard)).toEqual([6n, 11n])
  clocks.pass(day - hour)
  await streams.retention.sweep()
  expect(await readable(log, shard)).toEqual([11n, 11n])
  await close()
})

test('a restart of the broker alone does not begin the time anew', async () => {
  const dir = temporaryDirectory()
  const clocks = new FakeClocks()
  const first = await openStreams(dir, { clocks })
  await makeStream(first.streams)
  const shard = shardsOf(first.streams)[0]?.number as ShardId
  await append(first.log, shard, 5)
  clocks.pass(20 * hour)
  await first.close()
  clocks.pass(4 * hour + 60 * second)
  const again = await openStreams(dir, { clocks })
  await again.streams.retention.sweep()
  expect(await readable(again.log, shard)).toEqual([6n, 6n])
  await again.close()
})

test('the looks at the clocks, and the sweeps, come by themselves', async () => {
  const clocks = new FakeClocks()
  const { streams, log, close } = await openStreams(temporaryDirectory(), { clocks })
  await makeStream(streams)
  const shard = shardsOf(streams)[0]?.number as ShardId
  await append(log, shard, 5)
  clocks.pass(day + hour)
  const isTrimmed = async () => (await readable(log, shard))[0] === 6n
  await expect.poll(isTrimmed, { interval: 20, timeout: 10_000 }).toBe(true)
  await close()
})

test('Kinesis 20: lowered hides at once, raised revives nothing', async () => {
  const dir = temporaryDirectory()
  const clocks = new FakeClocks()
  const opened = await openStreams(dir, { clocks })
  const { streams, log } = opened
  await makeStream(streams)
  const shard = shardsOf(streams)[0]?.number as ShardId
  await streams.settings.increaseRetention('s', 48)
  await untilQuiet(streams)
  await append(log, shard, 5)
  clocks.pass(30 * hour)
  await streams.retention.sweep()
  expect(await readable(log, shard)).toEqual([1n, 6n])
  await streams.settings.decreaseRetention('s', 24)
  expect(await readable(log, shard)).toEqual([6n, 6n])
  await untilQuiet(streams)
  const horizon = streams.retention.horizonOf(streams.require('s'))
  await streams.settings.increaseRetention('s', 8760)
  await untilQuiet(streams)
  expect(streams.retention.horizonOf(streams.require('s'))).toBe(horizon)
  expect(await readable(log, shard)).toEqual([6n, 6n])
  await opened.close()
  const again = await openStreams(dir, { clocks })
  const stream = again.streams.require('s')
  expect(stream).toMatchObject({ retentionPeriodHours: 8760, horizonMillis: horizon })
  expect(again.streams.retention.horizonOf(stream)).toBe(horizon)
  await again.close()
})

test('what has expired and was not trimmed does not come back with a longer period', async () => {
  const clocks = new FakeClocks()
  const { streams, log, close } = await openStreams(temporaryDirectory(), { clocks })
  await makeStream(streams)
  const shard = shardsOf(streams)[0]?.number as ShardId
  await append(log, shard, 5)
  clocks.pass(day + hour)
  // Nobody has looked yet.
  await streams.settings.increaseRetention('s', 48)
  await untilQuiet(streams)
  expect(await readable(log, shard)).toEqual([6n, 6n])
  await close()
})

test('Kinesis 18: closed shards disappear when everything in them has expired', async () => {
  const dir = temporaryDirectory()
  const clocks = new FakeClocks()
  const { streams, log, close } = await openStreams(dir, { clocks })
  const stream = await makeStream(streams)
  const [parent] = shardsOf(streams) as [Shard]
  await append(log, parent.number, 5)
  await streams.consumers.register(stream, 'c', [])
  const children = await splitShard(streams, 's', parent)
  await streams.consumers.write(() => [
    {
      kind: 'checkpointsSet',
      streamNumber: stream.number,
      consumerName: 'c',
      checkpoints: [{ shardIndex: 0 }, { shardIndex: 1, nextSequenceNumber: 6n }],
    },
    {
      kind: 'leasesSet',
      streamNumber: stream.number,
      consumerName: 'c',
      leases: [
        { shardIndex: 0, leaseCounter: 1n, leaseMillis: 1000, workerId: 'w' },
        { shardIndex: 1, leaseCounter: 2n, leaseMillis: 1000, workerId: 'w' },
      ],
    },
  ])
  clocks.pass(day - 10 * second)
  await streams.retention.sweep()
  expect(shardsOf(streams).map((it) => it.index)).toEqual([0, 1, 2])
  clocks.pass(60 * second)
  await streams.retention.sweep()
  expect(shardsOf(streams).map((it) => it.index)).toEqual([1, 2])
  expect(streams.findShard(parent.number)).toBeUndefined()
  expect(await log.listShards()).not.toContain(parent.number)
  const consumer = streams.consumers.require(streams.require('s'), 'c')
  expect([...consumer.checkpoints.keys()]).toEqual([1])
  expect([...consumer.leases.keys()]).toEqual([1])
  // An index is not used again: the open shards have the highest.
  const child = await mergeShards(streams, 's', children as [Shard, Shard])
  expect(child.index).toBe(3)
  await close()
  const again = await openStreams(dir, { clocks })
  expect(shardsOf(again.streams).map((it) => it.index)).toEqual([1, 2, 3])
  await again.close()
})

test('a shard that somebody reads is emptied, and stays until nobody does', async () => {
  const clocks = new FakeClocks()
  const reading = new Set<ShardId>()
  const isBeingRead = (shard: ShardId) => reading.has(shard)
  const opened = await openStreams(temporaryDirectory(), { clocks, isBeingRead })
  const { streams, log, close } = opened
  await makeStream(streams)
  const [parent] = shardsOf(streams) as [Shard]
  await append(log, parent.number, 5)
  await splitShard(streams, 's', parent)
  reading.add(parent.number)
  clocks.pass(day + hour)
  await streams.retention.sweep()
  expect(shardsOf(streams).map((it) => it.index)).toEqual([0, 1, 2])
  expect(await readable(log, parent.number)).toEqual([6n, 6n])
  reading.clear()
  await streams.retention.sweep()
  expect(shardsOf(streams).map((it) => it.index)).toEqual([1, 2])
  await close()
})

test('shards go completely or not at all, wherever it is cut', async () => {
  let cuts = 0
  let wasWhole = false
  for (let atChange = 1; !wasWhole; atChange += 1) {
    for (const isMade of [false, true]) {
      const dir = temporaryDirectory()
      const clocks = new FakeClocks()
      const before = await openStreams(dir, { clocks })
      await makeStream(before.streams)
      const [parent] = shardsOf(before.streams) as [Shard]
      await append(before.log, parent.number, 5)
      await splitShard(before.streams, 's', parent)
      clocks.pass(day + hour)
      await before.close()

      let cut: CutLog | undefined
      const wrap = (log: Log) => {
        cut = new CutLog(log, { atChange, isMade })
        return cut
      }
      const second = await openStreams(dir, { wrap, clocks })
      await second.streams.retention.sweep()
      wasWhole = cut?.isDead === false
      cuts += wasWhole ? 0 : 1
      await second.close()

      // Twice, with a snapshot in between: also the second open knows what is left to be done.
      for (const snapshotBytesMin of [1, 2 ** 30]) {
        const { streams, log, close } = await openStreams(dir, { clocks, snapshotBytesMin })
        const left = shardsOf(streams)
        expect(left.length === 3 || left.length === 2).toBe(true)
        expect((await log.listShards()).length).toBe(1 + left.length)
        await streams.settings.changeTags('s', [{ key: 'k', value: String(snapshotBytesMin) }], [])
        await close()
      }
      const { streams, log, close } = await openStreams(dir, { clocks })
      await streams.retention.sweep()
      expect(shardsOf(streams).map((it) => it.index)).toEqual([1, 2])
      expect((await log.listShards()).length).toBe(3)
      await close()
    }
  }
  // The trims of the parent, that it has expired, and its deletion.
  expect(cuts).toBeGreaterThanOrEqual(2 * 3)
}, 60_000)

test('a setting that was accepted is carried out, wherever it is cut', async () => {
  let wasWhole = false
  for (let atChange = 1; !wasWhole; atChange += 1) {
    for (const isMade of [false, true]) {
      const dir = temporaryDirectory()
      const clocks = new FakeClocks()
      const before = await openStreams(dir, { clocks })
      await makeStream(before.streams)
      const shard = shardsOf(before.streams)[0]?.number as ShardId
      await before.streams.settings.increaseRetention('s', 48)
      await untilQuiet(before.streams)
      await append(before.log, shard, 5)
      clocks.pass(30 * hour)
      await before.close()

      let cut: CutLog | undefined
      const wrap = (log: Log) => {
        cut = new CutLog(log, { atChange, isMade })
        return cut
      }
      const second = await openStreams(dir, { wrap, clocks })
      const isAccepted = await second.streams.settings.decreaseRetention('s', 24).then(
        () => true,
        () => false,
      )
      const isDone = () => cut?.isDead || find(second.streams, 's')?.status === 'ACTIVE'
      await expect.poll(isDone, { interval: 1, timeout: 20_000 }).toBe(true)
      wasWhole = cut?.isDead === false
      await second.close()

      const { streams, log, close } = await openStreams(dir, { clocks })
      await untilQuiet(streams)
      const { retentionPeriodHours } = streams.require('s')
      if (isAccepted) expect(retentionPeriodHours).toBe(24)
      const next: SequenceNumber | bigint = (await readable(log, shard))[0]
      expect(next).toBe(retentionPeriodHours === 24 ? 6n : 1n)
      await close()
    }
  }
}, 60_000)
