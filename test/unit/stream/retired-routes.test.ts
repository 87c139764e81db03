import { expect, test } from 'vitest'
import { repeatsKnownReshardsMax } from '../../../src/limits.ts'
import { sequenceNumber, shardId } from '../../../src/log/log.ts'
import type { Shard } from '../../../src/shard/shard.ts'
import { retiredRoutes } from '../../../src/stream/retired-routes.ts'
import { routedShards, type Stream } from '../../../src/stream/stream.ts'
import { Random } from '../../support/random.ts'

const now = 1_800_000_000_000
const minute = 60_000
const one = sequenceNumber(1n)
const top = 2n ** 128n - 1n

type Row = readonly [range: readonly [bigint, bigint], parents: number[], closedMillis?: number]

/** Children are made when their parents are closed. */
function shard([range, parents, closedMillis]: Row, index: number, rows: readonly Row[]): Shard {
  return {
    index,
    number: shardId(BigInt(index + 2)),
    startingHashKey: range[0],
    endingHashKey: range[1],
    startingSequenceNumber: one,
    createdMillis: Math.max(0, ...parents.map((it) => rows[it]?.[2] ?? 0)),
    parents,
    closing: closedMillis === undefined ? undefined : { endingSequenceNumber: one, closedMillis },
  }
}

function stream(rows: readonly Row[], reshard?: Stream['reshard']): Stream {
  const shards = rows.map(shard)
  return {
    number: 1,
    name: 's',
    status: 'ACTIVE',
    mode: 'PROVISIONED',
    createdMillis: 0,
    retentionPeriodHours: 24,
    retentionBytes: undefined,
    horizonMillis: 0,
    modeSwitches: [],
    recordBytesMax: 1024 * 1024,
    shardCount: 1,
    firstSequenceNumber: one,
    endSequenceNumber: one,
    shards: new Map(shards.map((it) => [it.index, it])),
    tags: new Map(),
    shardCountUpdates: [],
    shardLevelMetrics: new Set(),
    encryption: undefined,
    encryptionChanges: [],
    reshard,
  }
}

const indexes = (of: Stream, since = now - 5 * minute) =>
  retiredRoutes(of, since).map((it) => it.map(({ index }) => index))

/** 0 is split into 2 and 3, 3 and 1 are merged into 4, and 2 is split into 5 and 6. */
const family: readonly Row[] = [
  [[0n, 99n], [], now - 4 * minute],
  [[100n, top], [], now - 3 * minute],
  [[0n, 49n], [0], now - 2 * minute],
  [[50n, 99n], [0], now - 3 * minute],
  [
    [50n, top],
    [3, 1],
  ],
  [[0n, 24n], [2]],
  [[25n, 49n], [2]],
]

test('a stream whose shards never changed has none', () => {
  expect(indexes(stream([[[0n, top], []]]))).toEqual([])
})

test('each reshard is undone, the newest first', () => {
  expect(indexes(stream(family))).toEqual([
    [2, 4],
    [2, 3, 1],
    [0, 1],
  ])
})

test('those from before the time are none', () => {
  const older = family.map(([range, parents, closed], index): Row => {
    const moved = closed === undefined ? undefined : closed - (index === 2 ? 0 : 2 * minute)
    return moved === undefined ? [range, parents] : [range, parents, moved]
  })
  expect(indexes(stream(older))).toEqual([[2, 4]])
  expect(indexes(stream(older), 0)).toHaveLength(3)
})

test('parents that are not there any more end it', () => {
  const left = stream(family)
  const shards = new Map(left.shards)
  shards.delete(1)
  expect(indexes({ ...left, shards })).toEqual([[2, 4]])
})

test('from the switch on what is still open is the newest', () => {
  const rows: readonly Row[] = [
    [[0n, top], [], now - minute],
    [[0n, 99n], [0]],
    [[100n, top], [0]],
  ]
  const children = [shard([[0n, 9n], [1]], 3, rows), shard([[10n, 99n], [1]], 4, rows)]
  const replacements = [{ parents: [1], startingHashKeys: [0n, 10n] }]
  expect(indexes(stream(rows, { replacements, children: [] }))).toEqual([[0]])
  const switched = stream(rows, { replacements, children })
  expect(routedShards(switched).map((it) => it.index)).toEqual([3, 4, 2])
  expect(indexes(switched)).toEqual([[1, 2], [0]])
})

test('there are at most 64', () => {
  const chain = Array.from({ length: 99 }, (_, index): Row => {
    const parents = index === 0 ? [] : [index - 1]
    return index === 98 ? [[0n, top], parents] : [[0n, top], parents, now - 200 + index]
  })
  expect(indexes(stream(chain))).toEqual(
    Array.from({ length: repeatsKnownReshardsMax }, (_, at) => [97 - at]),
  )
})

test('neighbours that are known are one, so that many shards are not told again and again', () => {
  const width = 10n
  const rows: Row[] = Array.from({ length: 1000 }, (_, i): Row => {
    const start = BigInt(i) * width
    const range = [start, i === 999 ? top : start + width - 1n] as const
    return i === 500 ? [range, [], now - minute] : [range, []]
  })
  rows.push([[5000n, 5004n], [500], now], [[5005n, 5009n], [500]])
  rows.push([[5000n, 5001n], [1000]], [[5002n, 5004n], [1000]])
  expect(indexes(stream(rows))).toEqual([
    [499, 1000, 999],
    [499, 500, 999],
  ])
})

const seed = Number(process.env['MILLRACE_SEED'] ?? Math.floor(Math.random() * 2 ** 31))

test(`whatever was split and merged: what was there before each (seed ${seed})`, () => {
  const random = new Random(seed)
  for (let run = 0; run < 50; run += 1) {
    const rows: [range: readonly [bigint, bigint], parents: number[], closedMillis?: number][] = []
    rows.push([[0n, top / 2n], []], [[top / 2n + 1n, top], []])
    let open = [0, 1]
    const expected: number[][] = []
    for (let step = 1; step <= 20; step += 1) {
      const at = random.below(open.length)
      const isMerge = at + 1 < open.length && random.below(3) > 0
      const parents = open.slice(at, at + (isMerge ? 2 : 1))
      const left = open.filter((it, place) => {
        const next = open[place + 1]
        return next === undefined || parents.includes(it) || parents.includes(next)
      })
      expected.unshift(left)
      for (const it of parents) rows[it]?.push(now + step)
      const start = rows[parents[0] ?? 0]?.[0][0] ?? 0n
      const end = rows[parents.at(-1) ?? 0]?.[0][1] ?? 0n
      const middle = start + (end - start) / 2n
      const first = rows.length
      if (isMerge) rows.push([[start, end], parents])
      else rows.push([[start, middle], parents], [[middle + 1n, end], parents])
      open = open.toSpliced(at, parents.length, ...(isMerge ? [first] : [first, first + 1]))
    }
    expect(indexes(stream(rows)), `run ${run}`).toEqual(expected)
  }
})
