/** What is checked before the shards of a stream change, in which order, and what is answered. */

import { describe, expect, it as test } from 'vitest'
import { MillraceError } from '../../../src/errors.ts'
import type { Shard } from '../../../src/shard/shard.ts'
import { uniformHashRanges } from '../../../src/stream/hash-ranges.ts'
import { Resharding } from '../../../src/stream/reshard.ts'
import type { StreamHost } from '../../../src/stream/stream-host.ts'
import { BatchBuilder } from '../../../src/wire/batch-builder.ts'
import { untilDone } from '../../support/reshard.ts'
import { find, type OpenedStreams, openStreams, temporaryDirectory, untilQuiet } from './harness.ts'

const streamName = 's'
const top = 2n ** 128n - 1n
const half = 2n ** 127n
const hour = 3_600_000

interface Made extends OpenedStreams {
  readonly clock: { millis: number }
}

async function make(shardCount = 2, isProvisioned = true): Promise<Made> {
  const clock = { millis: Date.now() }
  const opened = await openStreams(temporaryDirectory(), { now: () => clock.millis })
  const streamMode = isProvisioned ? 'PROVISIONED' : 'ON_DEMAND'
  await opened.streams.create({ streamName, shardCount, streamMode })
  await untilQuiet(opened.streams)
  return { ...opened, clock }
}

async function said(promise: Promise<unknown>): Promise<string> {
  return await promise.then(
    () => 'done',
    ({ code, message }: MillraceError) => `${code}: ${message}`,
  )
}

const split = ({ streams }: OpenedStreams, shardToSplit: string, newStartingHashKey?: bigint) =>
  streams.resharding.split({ streamName, shardToSplit, newStartingHashKey })

const merge = ({ streams }: OpenedStreams, shardToMerge: string, adjacentShardToMerge: string) =>
  streams.resharding.merge({ streamName, shardToMerge, adjacentShardToMerge })

const scale = ({ streams }: OpenedStreams, targetShardCount: number) =>
  streams.resharding.updateShardCount({ streamName, targetShardCount })

/** The shards, in short: ranges, parents, and whether they are closed. */
function shardsOf({ streams }: OpenedStreams) {
  return [...streams.require(streamName).shards.values()].map((it) => [
    it.index,
    it.startingHashKey,
    it.endingHashKey,
    it.parents,
    it.closing === undefined ? 'open' : 'closed',
  ])
}

describe('a split', () => {
  test('Kinesis 4, 17: is checked in the order of Kinesis, with its texts', async () => {
    const made = await make(1)
    const missing = { streamName: 'missing', shardToSplit: 'shardId-x' }
    const { resharding } = made.streams
    // The id before the stream, the stream before its state, its state before the shard.
    expect(await said(resharding.split(missing))).toBe(
      'SHARD_NOT_FOUND: Could not find shard shardId-x in stream missing.',
    )
    expect(await said(resharding.split({ ...missing, shardToSplit: '7' }))).toBe(
      'STREAM_NOT_FOUND: Stream missing not found.',
    )
    await made.streams.create({ streamName: 'new' })
    expect(await said(resharding.split({ streamName: 'new', shardToSplit: '9' }))).toBe(
      'STREAM_IN_USE: Stream new not ACTIVE, instead in state CREATING',
    )
    await untilQuiet(made.streams)
    expect(await said(resharding.split({ streamName: 'new', shardToSplit: '9' }))).toBe(
      'INVALID_ARGUMENT: Request is invalid. Stream new is in On-Demand mode. ' +
        'Set it to PROVISIONED first.',
    )
    // The shard before the bound.
    expect(await said(split(made, 'shardId-5', 1n))).toBe(
      'SHARD_NOT_FOUND: Could not find shard shardId-000000000005 in stream s.',
    )
    for (const key of [0n, 1n, top]) {
      expect(await said(split(made, '0', key))).toBe(
        `INVALID_ARGUMENT: NewStartingHashKey ${key} used in SplitShard() on shard ` +
          'shardId-000000000000 in stream s is not both greater than one plus the ' +
          `shard's StartingHashKey 0 and less than the shard's EndingHashKey ${top}.`,
      )
    }
    await split(made, 'foo-0', 2n)
    for (const again of [split(made, '0', 5n), merge(made, '0', '0'), scale(made, 2)]) {
      expect(await said(again)).toBe(
        'STREAM_IN_USE: Stream s not ACTIVE, instead in state UPDATING',
      )
    }
    await untilDone(made.streams, streamName)
    expect(await said(split(made, '0', 1n))).toBe(
      'INVALID_ARGUMENT: Shard shardId-000000000000 in stream s has already been merged or ' +
        'split, and thus is not eligible for merging or splitting.',
    )
    const deletion = made.streams.delete(streamName)
    expect(await said(split(made, '1'))).toBe(
      'STREAM_IN_USE: Stream s not ACTIVE, instead in state DELETING',
    )
    await deletion
    await made.close()
  })

  test('answers what moves, and gives the next indexes to its children', async () => {
    const made = await make()
    const moves = await split(made, '1', half + 2n)
    expect(moves).toMatchObject([
      { startingHashKey: half, endingHashKey: half + 1n, from: [{ index: 1 }] },
      { startingHashKey: half + 2n, endingHashKey: top, from: [{ index: 1 }] },
    ])
    await untilDone(made.streams, streamName)
    expect(shardsOf(made)).toEqual([
      [0, 0n, half - 1n, [], 'open'],
      [1, half, top, [], 'closed'],
      [2, half, half + 1n, [1], 'open'],
      [3, half + 2n, top, [1], 'open'],
    ])
    await made.close()
  })

  test('halves a shard, unless it is told where', async () => {
    const made = await make(1)
    await split(made, '0')
    await untilDone(made.streams, streamName)
    expect(shardsOf(made).slice(1)).toEqual([
      [1, 0n, half - 1n, [0], 'open'],
      [2, half, top, [0], 'open'],
    ])
    await made.close()
  })

  test('is tried without doing it', async () => {
    const made = await make(1)
    const request = { streamName, shardToSplit: '0', dryRun: true }
    const { resharding } = made.streams
    expect(await resharding.split(request)).toHaveLength(2)
    expect(await said(resharding.split({ ...request, newStartingHashKey: 1n }))).toMatch(/^INV/)
    expect(find(made.streams, streamName)?.status).toBe('ACTIVE')
    expect(shardsOf(made)).toHaveLength(1)
    await made.close()
  })
})

describe('a merge', () => {
  test('Kinesis 4: is checked in the order of Kinesis, with its texts', async () => {
    const made = await make(3)
    const { resharding } = made.streams
    const other = { streamName: 'missing', shardToMerge: '0' }
    expect(await said(resharding.merge({ ...other, adjacentShardToMerge: 'x' }))).toBe(
      'SHARD_NOT_FOUND: Could not find shard x in stream missing.',
    )
    expect(await said(resharding.merge({ ...other, adjacentShardToMerge: '1' }))).toBe(
      'STREAM_NOT_FOUND: Stream missing not found.',
    )
    expect(await said(merge(made, '0', '9'))).toBe(
      'SHARD_NOT_FOUND: Could not find shard shardId-000000000009 in stream s.',
    )
    for (const [lower, upper] of [
      ['1', '0'],
      ['0', '2'],
      ['1', '1'],
    ] as const) {
      expect(await said(merge(made, lower, upper))).toBe(
        `INVALID_ARGUMENT: Shards shardId-00000000000${lower} and ` +
          `shardId-00000000000${upper} in stream s are not an adjacent pair of shards ` +
          'eligible for merging',
      )
    }
    const moves = await merge(made, '0', '1')
    expect(moves).toMatchObject([{ startingHashKey: 0n, from: [{ index: 0 }, { index: 1 }] }])
    await untilDone(made.streams, streamName)
    const third = 2n ** 128n / 3n
    expect(shardsOf(made).slice(2)).toEqual([
      [2, 2n * third, top, [], 'open'],
      [3, 0n, 2n * third - 1n, [0, 1], 'open'],
    ])
    for (const [lower, upper] of [
      ['1', '2'],
      ['3', '1'],
    ] as const) {
      expect(await said(merge(made, lower, upper))).toBe(
        'INVALID_ARGUMENT: Shard shardId-000000000001 in stream s has already been merged or ' +
          'split, and thus is not eligible for merging or splitting.',
      )
    }
    await made.close()
  })
})

describe('another number of shards', () => {
  test('is at most double, at least half, and counted 10 times within 24 hours', async () => {
    const made = await make(3)
    const { resharding } = made.streams
    expect(await said(resharding.updateShardCount({ streamName: 'x', targetShardCount: 1 }))).toBe(
      'STREAM_NOT_FOUND: Stream x not found.',
    )
    expect(await said(scale(made, 7))).toBe(
      'INVALID_ARGUMENT: UpdateShardCount cannot scale up over double your current open shard ' +
        'count. Stream s has 3 open shards; the target of 7 is not within 2 and 6. ' +
        'Go there in several steps.',
    )
    expect(await said(scale(made, 1))).toMatch(/^INVALID_ARGUMENT: .* cannot scale down below half/)
    // What changes nothing does not count, nor does what is only tried.
    expect(await scale(made, 3)).toEqual({ currentShardCount: 3, moves: [] })
    await resharding.updateShardCount({ streamName, targetShardCount: 6, dryRun: true })
    const begun = made.clock.millis
    for (let i = 0; i < 10; i += 1) {
      expect(await scale(made, i % 2 === 0 ? 4 : 3)).toMatchObject({
        currentShardCount: 3 + (i % 2),
      })
      await untilDone(made.streams, streamName)
      made.clock.millis += hour
    }
    const late = await scale(made, 4).catch((error: MillraceError) => error)
    expect(late).toMatchObject({
      code: 'LIMIT_EXCEEDED',
      message:
        'UpdateShardCount was called for stream s 10 times within 24 hours, which is the limit: ' +
        'it keeps its 3 open shards; split or merge them one by one, ' +
        'or raise limits.shardCountUpdatesPerDay of the broker.',
      retryAfterMs: begun + 24 * hour - made.clock.millis,
    })
    const tried = { streamName, targetShardCount: 4, dryRun: true }
    expect(await resharding.updateShardCount(tried)).toMatchObject({ currentShardCount: 3 })
    made.clock.millis = begun + 24 * hour - 1
    expect(await said(scale(made, 4))).toMatch(/^LIMIT_EXCEEDED/)
    made.clock.millis += 1
    expect(await said(scale(made, 4))).toBe('done')
    await untilDone(made.streams, streamName)
    await made.close()
  }, 60_000)

  test('a clock that was ahead and was set back keeps nobody from it', async () => {
    const made = await make(1)
    made.clock.millis += 30 * 24 * hour
    for (let i = 0; i < 10; i += 1) {
      await scale(made, i % 2 === 0 ? 2 : 1)
      await untilDone(made.streams, streamName)
    }
    made.clock.millis -= 30 * 24 * hour
    for (let i = 0; i < 10; i += 1) {
      await scale(made, i % 2 === 0 ? 2 : 1)
      await untilDone(made.streams, streamName)
    }
    expect(await said(scale(made, 2))).toMatch(/^LIMIT_EXCEEDED/)
    await made.close()
  }, 60_000)

  test('a broker can have another limit', async () => {
    const dir = temporaryDirectory()
    const made = await openStreams(dir, { shardCountUpdatesPerDay: 12 })
    await made.streams.create({ streamName, shardCount: 1, streamMode: 'PROVISIONED' })
    await untilQuiet(made.streams)
    for (let i = 0; i < 12; i += 1) {
      await scale(made, i % 2 === 0 ? 2 : 1)
      await untilDone(made.streams, streamName)
    }
    expect(await said(scale(made, 2))).toMatch(/^LIMIT_EXCEEDED: .* was called .* 12 times/)
    await made.close()
    // With the one of before, and with what counts in the catalog.
    const again = await openStreams(dir)
    expect(await said(scale(again, 2))).toMatch(/^LIMIT_EXCEEDED: .* was called .* 12 times/)
    await again.close()
  }, 60_000)

  test('the limit holds after an open, too', async () => {
    const dir = temporaryDirectory()
    const first = await openStreams(dir, { snapshotBytesMin: 1 })
    await first.streams.create({ streamName, shardCount: 1, streamMode: 'PROVISIONED' })
    await untilQuiet(first.streams)
    for (let i = 0; i < 10; i += 1) {
      await scale(first, i % 2 === 0 ? 2 : 1)
      await untilDone(first.streams, streamName)
    }
    await first.close()
    const second = await openStreams(dir)
    expect(await said(scale(second, 2))).toMatch(/^LIMIT_EXCEEDED/)
    await second.close()
  }, 60_000)

  test('ends with uniform ranges that go back to the first shards', async () => {
    const made = await make(3)
    const { moves } = await scale(made, 5)
    expect(moves).toHaveLength(5)
    await untilDone(made.streams, streamName)
    const { shards } = made.streams.require(streamName)
    const open = [...shards.values()].filter((it) => it.closing === undefined)
    const width = 2n ** 128n / 5n
    const starts = open.map((it) => it.startingHashKey).sort((a, b) => (a < b ? -1 : 1))
    expect(starts).toEqual([0n, width, 2n * width, 3n * width, 4n * width])
    const roots = new Set<number>()
    const climb = (index: number): void => {
      const parents = shards.get(index)?.parents ?? []
      if (parents.length === 0) roots.add(index)
      for (const parent of parents) climb(parent)
    }
    for (const { index } of open) climb(index)
    expect([...roots].sort()).toEqual([0, 1, 2])
    expect(made.errors).toEqual([])
    await made.close()
  })
})

test('room for more shards is asked for behind the shard, and before the bound', async () => {
  const made = await make(1)
  const asked: number[] = []
  const host = {
    log: made.log,
    catalog: { change: async (decide: () => unknown) => void decide() },
    now: Date.now,
    requireActive: (name: string) => made.streams.require(name),
  } as unknown as StreamHost
  const resharding = new Resharding(host, {
    checkRoom: (shardCount) => {
      asked.push(shardCount)
      throw new MillraceError('LIMIT_EXCEEDED', 'no room')
    },
  })
  const room = 'LIMIT_EXCEEDED: no room'
  const merge = { streamName, shardToMerge: '0', adjacentShardToMerge: '0' }
  expect(await said(resharding.split({ streamName, shardToSplit: '7' }))).toMatch(/^SHARD_NOT_/)
  expect(await said(resharding.updateShardCount({ streamName, targetShardCount: 3 }))).toMatch(
    /^INV/,
  )
  const outOfBounds = { streamName, shardToSplit: '0', newStartingHashKey: 0n }
  expect(await said(resharding.split(outOfBounds))).toBe(room)
  expect(await said(resharding.merge(merge))).toBe(room)
  expect(await said(resharding.updateShardCount({ streamName, targetShardCount: 2 }))).toBe(room)
  expect(asked).toEqual([2, 1, 2])
  await made.close()
})

test('a split of a stream with 10,000 open shards is refused, and a merge is not', async () => {
  const made = await make(1)
  const stream = made.streams.require(streamName)
  const first = stream.shards.get(0) as Shard
  const shards = new Map(
    uniformHashRanges(10_000).map((range, index) => [index, { ...first, ...range, index }]),
  )
  const full = { ...stream, shards }
  const host = {
    log: made.log,
    catalog: { change: async (decide: () => unknown) => void decide() },
    now: Date.now,
    requireActive: () => full,
    startWork: () => undefined,
  } as unknown as StreamHost
  const resharding = new Resharding(host, { checkRoom: () => undefined })
  const split = { streamName, shardToSplit: '7' }
  for (const dryRun of [true, false]) {
    expect(await said(resharding.split({ ...split, dryRun }))).toBe(
      'LIMIT_EXCEEDED: Stream s has 10000 open shards, and a stream has at most 10000: ' +
        'merge others first, or put to another stream, too.',
    )
  }
  const merge = { streamName, shardToMerge: '7', adjacentShardToMerge: '8' }
  expect(await said(resharding.merge(merge))).toBe('done')
  shards.delete(0)
  expect(await said(resharding.split({ ...split, dryRun: false }))).toBe('done')
  await made.close()
})

test('children begin 2^32 above what their parents had; ends are last records', async () => {
  const made = await make()
  const builder = new BatchBuilder()
  for (let i = 0; i < 5; i += 1) builder.add('k', new Uint8Array(1))
  const lower = made.streams.require(streamName).shards.get(0)
  await made.log.append(lower?.number as never, builder)
  await merge(made, '0', '1')
  await untilDone(made.streams, streamName)
  const shards = [...made.streams.require(streamName).shards.values()]
  expect(shards.map((it) => it.closing?.endingSequenceNumber)).toEqual([5n, 1n, undefined])
  expect(shards[2]?.startingSequenceNumber).toBe(2n ** 32n + 6n)
  // Behind all that arrived in them, by whatever clock.
  const { lastArrivalMillis } = await made.log.shardStats(lower?.number as never)
  expect(shards[0]?.closing?.closedMillis).toBeGreaterThan(lastArrivalMillis)
  await made.close()
})

test('in the millisecond in which a stream is made its shards are open nevertheless', async () => {
  const made = await make(1)
  for (const shard of ['0', '1', '3']) {
    await split(made, shard)
    await untilDone(made.streams, streamName)
  }
  const { shards } = made.streams.require(streamName)
  for (const { createdMillis, closing, parents } of shards.values()) {
    if (closing !== undefined) expect(closing.closedMillis).toBeGreaterThan(createdMillis)
    // A child begins when its parent ends: each instant has all keys.
    const [parent] = parents.map((it) => shards.get(it)?.closing?.closedMillis)
    if (parent !== undefined) expect(createdMillis).toBe(parent)
  }
  await made.close()
})
