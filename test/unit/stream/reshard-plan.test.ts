/** Which shards a split, a merge, or another number of shards replaces. */

import fc from 'fast-check'
import { describe, expect, it as test } from 'vitest'
import type { MillraceError } from '../../../src/errors.ts'
import { sequenceNumber, shardId } from '../../../src/log/log.ts'
import type { Shard } from '../../../src/shard/shard.ts'
import { hashKeyMax, uniformHashRanges } from '../../../src/stream/hash-ranges.ts'
import {
  mergeOf,
  middleOf,
  movesTo,
  rangesOf,
  replacementsPerRoundMax,
  roundTo,
  shardsCreatedTo,
  splitOf,
} from '../../../src/stream/reshard-plan.ts'
import type { Replacement } from '../../../src/stream/stream.ts'

function shard(index: number, startingHashKey: bigint, endingHashKey: bigint): Shard {
  return {
    index,
    number: shardId(BigInt(index + 2)),
    startingHashKey,
    endingHashKey,
    startingSequenceNumber: sequenceNumber(1n),
    createdMillis: 0,
    parents: [],
  }
}

function failure(run: () => unknown): string {
  try {
    run()
  } catch (error) {
    const { code, message } = error as MillraceError
    return `${code}: ${message}`
  }
  throw new Error('it worked')
}

/** Open shards whose ranges begin at these keys. */
function shardsFrom(starts: readonly bigint[]): Shard[] {
  return starts.map((start, index) =>
    shard(
      index,
      start,
      index + 1 < starts.length ? (starts[index + 1] as bigint) - 1n : hashKeyMax,
    ),
  )
}

/** The open shards after a round. */
function openAfter(open: readonly Shard[], round: readonly Replacement[]): Shard[] {
  const shards = new Map(open.map((it) => [it.index, it]))
  let next = Math.max(...shards.keys()) + 1
  const children = round.flatMap((it) => rangesOf(it, shards))
  for (const parent of round.flatMap((it) => it.parents)) expect(shards.delete(parent)).toBe(true)
  for (const { startingHashKey, endingHashKey } of children) {
    shards.set(next, shard(next, startingHashKey, endingHashKey))
    next += 1
  }
  return [...shards.values()].sort((a, b) => (a.startingHashKey < b.startingHashKey ? -1 : 1))
}

function expectTiled(open: readonly Shard[]): void {
  expect(open[0]?.startingHashKey).toBe(0n)
  expect(open.at(-1)?.endingHashKey).toBe(hashKeyMax)
  open.forEach((it, at) => {
    expect(it.startingHashKey <= it.endingHashKey).toBe(true)
    if (at > 0) expect(it.startingHashKey).toBe((open[at - 1] as Shard).endingHashKey + 1n)
  })
}

describe('a split', () => {
  test.each([
    [0n, hashKeyMax, 2n ** 127n],
    [0n, 9n, 5n],
    [0n, 4n, 2n],
    [10n, 14n, 12n],
  ])('of %i to %i halves at %i', (start, end, middle) => {
    const parent = shard(3, start, end)
    expect(middleOf(parent)).toBe(middle)
    const replacement = splitOf('s', parent, middle)
    expect(replacement).toEqual({ parents: [3], startingHashKeys: [start, middle] })
    expect(rangesOf(replacement, new Map([[3, parent]]))).toEqual([
      { startingHashKey: start, endingHashKey: middle - 1n },
      { startingHashKey: middle, endingHashKey: end },
    ])
  })

  test('Kinesis 4: begins the upper shard strictly within the bounds', () => {
    const parent = shard(0, 10n, 20n)
    for (const key of [12n, 15n, 19n]) expect(splitOf('s', parent, key).parents).toEqual([0])
    for (const key of [0n, 9n, 10n, 11n, 20n, 21n]) {
      expect(failure(() => splitOf('s', parent, key))).toBe(
        `INVALID_ARGUMENT: NewStartingHashKey ${key} used in SplitShard() on shard ` +
          'shardId-000000000000 in stream s is not both greater than one plus the ' +
          "shard's StartingHashKey 10 and less than the shard's EndingHashKey 20.",
      )
    }
    expect(splitOf('s', shard(0, 0n, hashKeyMax), 2n).startingHashKeys).toEqual([0n, 2n])
  })

  test('is not possible of three keys, wherever it is tried', () => {
    const parent = shard(0, 10n, 12n)
    for (let key = 9n; key <= 13n; key += 1n) failure(() => splitOf('s', parent, key))
    failure(() => splitOf('s', parent, middleOf(parent)))
  })
})

test('Kinesis 4: a merge takes the lower shard first, and neighbours alone', () => {
  const [a, b, c] = shardsFrom([0n, 10n, 20n]) as [Shard, Shard, Shard]
  const replacement = mergeOf('s', a, b)
  expect(replacement).toEqual({ parents: [0, 1], startingHashKeys: [0n] })
  expect(rangesOf(replacement, new Map([a, b].map((it) => [it.index, it])))).toEqual([
    { startingHashKey: 0n, endingHashKey: 19n },
  ])
  for (const [lower, upper] of [
    [b, a],
    [a, c],
    [a, a],
  ] as const) {
    const ids = `${lower.index} and shardId-00000000000${upper.index}`
    expect(failure(() => mergeOf('s', lower, upper))).toBe(
      `INVALID_ARGUMENT: Shards shardId-00000000000${ids} in stream s are not an ` +
        'adjacent pair of shards eligible for merging',
    )
  }
})

describe('another number of shards', () => {
  test('doubling splits each in one round, halving merges all pairs in one', () => {
    const four = shardsFrom(uniformHashRanges(4).map((it) => it.startingHashKey))
    const doubled = roundTo(four, 8)
    expect(doubled.map((it) => it.parents)).toEqual([[0], [1], [2], [3]])
    expect(roundTo(four, 2).map((it) => it.parents)).toEqual([
      [0, 1],
      [2, 3],
    ])
    expect(roundTo(four, 4)).toEqual([])
  })

  test('leads through rounds that tile to uniform ranges, by as many shards as it says', () => {
    const starts = fc
      .uniqueArray(fc.bigInt({ min: 1n, max: hashKeyMax }), { maxLength: 30 })
      .map((keys) => [0n, ...keys].sort((a, b) => (a < b ? -1 : 1)))
    const property = fc.property(starts, fc.integer({ min: 1, max: 60 }), (from, target) => {
      let open = shardsFrom(from)
      const promised = shardsCreatedTo(open, target)
      let created = 0
      let rounds = 0
      for (let round = roundTo(open, target); round.length > 0; round = roundTo(open, target)) {
        created += round.flatMap((it) => it.startingHashKeys).length
        open = openAfter(open, round)
        expectTiled(open)
        rounds += 1
      }
      expect(
        open.map(({ startingHashKey, endingHashKey }) => [startingHashKey, endingHashKey]),
      ).toEqual(uniformHashRanges(target).map((it) => [it.startingHashKey, it.endingHashKey]))
      expect(created).toBe(promised)
      // As deep as the largest run of splits in one shard, or of merges into one.
      expect(rounds).toBeLessThanOrEqual(2 * Math.ceil(Math.log2(62)) + 1)
    })
    fc.assert(property)
  })

  test('replaces at most 100 in one round', () => {
    const open = shardsFrom(uniformHashRanges(250).map((it) => it.startingHashKey))
    const first = roundTo(open, 500)
    expect(first).toHaveLength(replacementsPerRoundMax)
    expect(roundTo(openAfter(open, first), 500)).toHaveLength(replacementsPerRoundMax)
  })
})

test('what moves is what gets another shard, with the shards that have it now', () => {
  const three = shardsFrom(uniformHashRanges(3).map((it) => it.startingHashKey))
  const from = (count: number) =>
    movesTo(three, uniformHashRanges(count)).map((it) => it.from.map(({ index }) => index))
  expect(from(3)).toEqual([])
  // 2^128 does not divide by 3, and the ends of six are not those of three.
  expect(from(6)).toEqual([[0], [0], [0, 1], [1], [1, 2], [2]])
  expect(from(4)).toEqual([[0], [0, 1], [1, 2], [2]])
  expect(from(2)).toEqual([
    [0, 1],
    [1, 2],
  ])
  expect(from(1)).toEqual([[0, 1, 2]])
  const [, upper] = movesTo(
    three,
    rangesOf(splitOf('s', three[2] as Shard, hashKeyMax - 1n), new Map([[2, three[2] as Shard]])),
  )
  expect(upper).toMatchObject({ startingHashKey: hashKeyMax - 1n, endingHashKey: hashKeyMax })
})
