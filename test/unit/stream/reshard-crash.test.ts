/** Splits, merges and other numbers of shards that a kill falls into, between any two changes. */

import { cpSync } from 'node:fs'
import { describe, expect, it as test } from 'vitest'
import { MillraceError } from '../../../src/errors.ts'
import type { AppendAnswer, AppendOptions, Log } from '../../../src/log/log.ts'
import type { Shard } from '../../../src/shard/shard.ts'
import { hashKeyMax } from '../../../src/stream/hash-ranges.ts'
import { openShards, routedShards, type Stream } from '../../../src/stream/stream.ts'
import type { Streams } from '../../../src/stream/streams.ts'
import { BatchBuilder } from '../../../src/wire/batch-builder.ts'
import { untilDone } from '../../support/reshard.ts'
import { CutLog } from './cut-log.ts'
import { find, openStreams, temporaryDirectory, untilQuiet } from './harness.ts'

const streamName = 's'
const created = { streamName, shardCount: 3, streamMode: 'PROVISIONED' } as const

function batchOf(count: number): BatchBuilder {
  const builder = new BatchBuilder()
  for (let i = 0; i < count; i += 1) builder.add('k', new Uint8Array(8))
  return builder
}

/** A stream of 3 shards, with 4 records in each. */
async function prepare(): Promise<string> {
  const dir = temporaryDirectory()
  const { streams, log, close } = await openStreams(dir)
  await streams.create(created)
  await untilQuiet(streams)
  for (const { number } of streams.require(streamName).shards.values()) {
    await log.append(number, batchOf(4))
  }
  await close()
  return dir
}

/** What a broker sees when it opens: where it puts records, and where it reads. */
interface Serving {
  readonly routed: readonly Shard[]
  readonly shards: readonly Shard[]
}

function servingOf(stream: Stream): Serving {
  return { routed: routedShards(stream), shards: [...stream.shards.values()] }
}

function expectTiled(shards: readonly Shard[]): void {
  let next = 0n
  for (const { startingHashKey, endingHashKey } of shards) {
    expect(startingHashKey).toBe(next)
    next = endingHashKey + 1n
  }
  expect(next).toBe(hashKeyMax + 1n)
}

const indexes = (shards: readonly Shard[]) => shards.map((it) => it.index)

/** What holds of a stream after any reshards: all of what was put is there, in its place. */
async function check(
  log: Log,
  stream: Stream,
  records: ReadonlyMap<number, number>,
): Promise<void> {
  expectTiled(openShards(stream))
  expect(indexes(routedShards(stream))).toEqual(indexes(openShards(stream)))
  const shards = [...stream.shards.values()]
  expect(indexes(shards)).toEqual(shards.map((_, at) => at))
  expect(await log.listShards()).toHaveLength(1 + shards.length)
  for (const { index, number, startingSequenceNumber, parents, closing } of shards) {
    const stats = await log.shardStats(number)
    expect(stats.nextSequenceNumber).toBe(startingSequenceNumber + BigInt(records.get(index) ?? 0))
    expect(stats.sealed).toBe(closing !== undefined)
    for (const parent of parents) {
      const end = stream.shards.get(parent)?.closing?.endingSequenceNumber ?? 0n
      expect(startingSequenceNumber).toBeGreaterThan(end)
    }
  }
}

interface Case {
  readonly name: string
  readonly ask: (streams: Streams) => Promise<unknown>
  /** Indexes of the open shards in the end, in the order of their ranges. */
  readonly open: readonly number[]
  /** Changes of the log for it. */
  readonly changes: number
}

const cases: readonly Case[] = [
  {
    name: 'a split',
    ask: ({ resharding }) => resharding.split({ streamName, shardToSplit: '1' }),
    open: [0, 3, 4, 2],
    // That it began, the children, the switch, the end of the parent, and that it is done.
    changes: 5,
  },
  {
    name: 'a merge',
    ask: ({ resharding }) =>
      resharding.merge({ streamName, shardToMerge: '0', adjacentShardToMerge: '1' }),
    open: [3, 2],
    changes: 6,
  },
  {
    name: 'another number of shards',
    ask: ({ resharding }) => resharding.updateShardCount({ streamName, targetShardCount: 4 }),
    // Three splits into 3 to 8, and two merges.
    open: [3, 9, 10, 8],
    changes: 1 + (2 + 3 + 1) + (2 + 4 + 1),
  },
]

describe.each(cases)('$name that was accepted is done in full', ({ ask, open, changes }) => {
  test('wherever it is cut, and what was put meanwhile is there', async () => {
    const original = await prepare()
    let cuts = 0
    let wasWhole = false
    for (let atChange = 1; !wasWhole; atChange += 1) {
      for (const isMade of [false, true]) {
        const dir = temporaryDirectory()
        cpSync(original, dir, { recursive: true })
        const records = new Map([0, 1, 2].map((index) => [index, 4]))
        let raw: Log | undefined
        let cut: CutLog | undefined
        let last: Serving | undefined
        const put: Promise<unknown>[] = []
        const first = await openStreams(dir, {
          wrap: (log) => {
            raw = log
            cut = new CutLog(log, { atChange, isMade })
            return cut
          },
          onServing: (stream) => {
            last = servingOf(stream)
            // Whoever puts in the moment of the switch.
            for (const { index, number } of last.routed) {
              if (index < 3 || records.has(index)) continue
              records.set(index, 1)
              put.push((raw as Log).append(number, batchOf(1)))
            }
          },
        })
        const accepted = await ask(first.streams).then(
          () => true,
          () => false,
        )
        const isDone = () => cut?.isDead === true || find(first.streams, 's')?.status === 'ACTIVE'
        await expect.poll(isDone, { interval: 1, timeout: 20_000 }).toBe(true)
        await Promise.all(put)
        wasWhole = cut?.isDead === false
        cuts += wasWhole ? 0 : 1
        await first.close()

        let opened: Serving | undefined
        const onServing = (stream: Stream) => {
          opened ??= servingOf(stream)
        }
        const { streams, log, close } = await openStreams(dir, { onServing })
        // No key goes back to where it was before.
        expectTiled(opened?.routed ?? [])
        for (const it of last?.routed ?? []) {
          const isKnown = [...(opened?.routed ?? []), ...(opened?.shards ?? [])]
          expect(indexes(isKnown)).toContain(it.index)
        }
        await untilQuiet(streams)
        const stream = streams.require(streamName)
        await check(log, stream, records)
        const wanted = accepted || isMade ? open : [0, 1, 2]
        expect(indexes(openShards(stream))).toEqual(wanted)
        await close()
      }
    }
    expect(cuts).toBe(2 * changes)
  }, 120_000)
})

test('a deletion takes all shards with it, wherever a split has got to', async () => {
  const original = await prepare()
  for (let atChange = 2; atChange <= 5; atChange += 1) {
    const dir = temporaryDirectory()
    cpSync(original, dir, { recursive: true })
    const wrap = (log: Log) => new CutLog(log, { atChange, isMade: true })
    const first = await openStreams(dir, { wrap })
    await first.streams.resharding.split({ streamName, shardToSplit: '1' })
    await expect.poll(() => first.errors.length, { interval: 1 }).toBe(1)
    await first.close()

    const { streams, log, close } = await openStreams(dir, { snapshotBytesMin: 1 })
    await streams.delete(streamName)
    await expect.poll(() => find(streams, 's'), { interval: 1 }).toBe(undefined)
    expect(await log.listShards()).toHaveLength(1)
    // A stream of the same name begins above all that the shards had, and would have had.
    await streams.create(created)
    await untilQuiet(streams)
    const { firstSequenceNumber } = streams.require(streamName)
    expect(firstSequenceNumber).toBeGreaterThanOrEqual(atChange > 2 ? 2n ** 32n + 5n : 5n)
    await close()
  }
}, 60_000)

/**
 * A log whose disk is full for the first such call of these, and that notes which appends may use
 * what is kept free.
 */
function fullFor(log: Log, calls: Set<string>, reserves: boolean[]): Log {
  let isDue = false
  return new Proxy(log, {
    get(target, name) {
      const value = Reflect.get(target, name) as unknown
      if (typeof value !== 'function') return value
      return (...args: unknown[]) => {
        if (isDue && calls.delete(String(name))) {
          return Promise.reject<AppendAnswer>(new MillraceError('DISK_FULL'))
        }
        // What it begins with is in the catalog by then.
        if (name === 'append') isDue = true
        if (name === 'append') reserves.push((args[2] as AppendOptions).usesReserve === true)
        return value.apply(target, args) as unknown
      }
    },
  })
}

test('what a full disk stopped goes on, and leaves no shards behind', async () => {
  const dir = await prepare()
  const calls = new Set(['createShards', 'append', 'sealShards'])
  const reserves: boolean[] = []
  const { streams, log, errors, close } = await openStreams(dir, {
    wrap: (it) => fullFor(it, calls, reserves),
  })
  await streams.resharding.split({ streamName, shardToSplit: '1' })
  await untilDone(streams, streamName)
  expect(errors).toMatchObject([
    { code: 'DISK_FULL' },
    { code: 'DISK_FULL' },
    { code: 'DISK_FULL' },
  ])
  // What makes the children readable must not wait for space.
  expect(reserves.at(-1)).toBe(true)
  await check(log, streams.require(streamName), new Map([0, 1, 2].map((index) => [index, 4])))
  await close()
}, 20_000)
