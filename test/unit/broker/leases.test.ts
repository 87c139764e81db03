/** Which worker gets which shards: the decision alone. */

import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import {
  availableShards,
  chooseLeases,
  isDueWhole,
  type LeaseNow,
  shareOf,
} from '../../../src/broker/consumers/leases.ts'
import { leasesPerRequestMax } from '../../../src/limits.ts'
import type { Shard } from '../../../src/shard/shard.ts'
import type { CheckpointPlace } from '../../../src/stream/consumer-table.ts'
import { sequenceNumber, shardId } from '../../../src/wire/numbers.ts'

const any = Number.POSITIVE_INFINITY

function shard(index: number, parents: readonly number[] = []): [number, Shard] {
  const made: Shard = {
    index,
    number: shardId(BigInt(index + 2)),
    startingHashKey: 0n,
    endingHashKey: 0n,
    startingSequenceNumber: sequenceNumber(1n),
    createdMillis: 0,
    parents,
  }
  return [index, made]
}

/** `a a b - b!`: who holds each shard, from 0 on; with `!` it has expired. */
function leasesOf(text: string): Map<number, LeaseNow> {
  const leases = new Map<number, LeaseNow>()
  for (const [index, word] of text.split(' ').entries()) {
    if (word === '-') continue
    const isExpired = word.endsWith('!')
    leases.set(index, { workerId: word.replace('!', ''), counter: BigInt(index), isExpired })
  }
  return leases
}

/** `late`: the shards that have been free for long. Workers have settled unless that is said. */
function choose(
  workerId: string,
  workers: Record<string, number>,
  held: string,
  late: readonly number[] = [],
  isSettled = true,
): number[] {
  const available = held.split(' ').map((_, index) => index)
  const of = new Map(Object.entries(workers))
  const leases = leasesOf(held)
  const overdue = new Set(late)
  return chooseLeases({ workerId, workers: of, available, leases, overdue, isSettled })
}

describe('what a worker gets', () => {
  const one = { a: any }
  const two = { a: any, b: any }
  const three = { a: any, b: any, c: any }
  test.each([
    ['everything, where it is alone', 'a', one, '- - -', [0, 1, 2]],
    ['what it lacks to its share, rounded up', 'a', two, '- - -', [0, 1]],
    ['the rest of it', 'b', two, 'a a -', [2]],
    ['what has expired as well as what is free', 'b', two, 'a a! - a', [1, 2]],
    ['its own again, once that has expired', 'a', one, 'a! a', [0]],
    ['nothing above its share, though some is free', 'a', two, 'a a - -', []],
    ['nothing where all is held, and evenly', 'c', three, 'a b', []],
    ['one of who has two more', 'b', two, 'a a', [1]],
    ['one at a time, of who has the most', 'c', three, 'a a b b b', [4]],
    ['the newest one: that has the least to lose', 'b', two, 'a a a a', [3]],
    ['nothing of who has one more', 'b', two, 'a a b', []],
    ['one though it has the rounded-down share', 'c', three, 'a a a a b b c c', [3]],
    ['no more than it wants', 'a', { a: 1, b: any }, '- - - -', [0]],
    ['no more than it wants, also of others', 'a', { a: 1, b: any }, 'a b b b', []],
    ['what others do not want', 'b', { a: 1, b: any }, 'a - - -', [1, 2, 3]],
    ['nothing where nothing is available', 'a', one, '', []],
  ] as const)('%s', (_, workerId, workers, held, chosen) => {
    expect(held === '' ? [] : choose(workerId, workers, held)).toEqual(chosen)
  })

  test('not more at once than an answer has room for', () => {
    const available = Array.from({ length: leasesPerRequestMax + 5 }, (_, index) => index)
    const workers = new Map([['a', any]])
    const rest = { leases: new Map(), overdue: new Set<number>(), isSettled: true }
    const question = { workerId: 'a', workers, available, ...rest }
    expect(chooseLeases(question)).toEqual(available.slice(0, leasesPerRequestMax))
  })
})

test.each([
  ['of who is new: nothing of others', 'a a a a', []],
  ['of who is new: what is free', 'a a a -', [3]],
] as const)('%s', (_, held, chosen) => {
  expect(choose('b', { a: any, b: any }, held, [], false)).toEqual(chosen)
})

describe('what nobody takes for long goes to who asks', () => {
  const two = { a: any, b: any }
  test.each([
    ['one at a time, also above its share', 'a', two, 'a a - -', [2, 3], [2]],
    ['where the holder has not been heard of', 'a', two, 'a a b! b!', [3], [3]],
    ['not before it is late', 'a', two, 'a a - -', [], []],
    ['but no more than it wants', 'a', { a: 2, b: any }, 'a a - -', [2, 3], []],
    ['its share all the same', 'b', two, 'a a - -', [3], [2, 3]],
  ] as const)('%s', (_, workerId, workers, held, late, chosen) => {
    expect(choose(workerId, workers, held, late)).toEqual(chosen)
  })
})

describe('a shard is wanted from its first record on', () => {
  const [horizon, latest] = [
    { startingPositionType: 'TRIM_HORIZON' },
    { startingPositionType: 'LATEST' },
  ] as const
  const at = (timestamp: number) => ({ startingPositionType: 'AT_TIMESTAMP', timestamp }) as const
  // The shard was made at 100.
  test.each([
    ['by who was there before it', [0], 99, {}, horizon, true],
    ['by who began to read before it', [0], 99, {}, at(100), true],
    ['by who has read a parent', [0, 1], 101, { 1: 'finished' }, horizon, true],
    ['not by who came after it and has read no parent', [0, 1], 101, { 1: 5n }, horizon, false],
    ['not by who begins after it', [0], 99, { 0: 'finished' }, at(101), false],
    ['not by who wants what is new', [0], 99, { 0: 'finished' }, latest, false],
    ['not by who goes on', [0], 99, { 0: 'finished', 2: 7n }, horizon, false],
    ['not where it is no child', [], 99, {}, horizon, false],
  ] as const)('%s', (_, parents, createdMillis, places, start, isWhole) => {
    const checkpoints = new Map(
      Object.entries(places).map(([index, place]) => [Number(index), place as CheckpointPlace]),
    )
    const made = { ...shard(2, parents)[1], createdMillis: 100 }
    expect(isDueWhole(made, { createdMillis, checkpoints }, start)).toBe(isWhole)
  })
})

test('a share is the lowest number at which every shard is somebody’s', () => {
  const wants = fc.array(fc.oneof(fc.integer({ min: 1, max: 9 }), fc.constant(any)), {
    minLength: 1,
    maxLength: 8,
  })
  fc.assert(
    fc.property(fc.nat(40), wants, (shards, list) => {
      const workers = new Map(list.map((want, index) => [String(index), want]))
      const held = (share: number) => list.reduce((sum, want) => sum + Math.min(want, share), 0)
      const share = shareOf(shards, workers)
      const isEnough = held(share) >= shards
      // Or it is all that they want together.
      expect(isEnough || share >= Math.max(...list) || held(share) === held(any)).toBe(true)
      if (isEnough && share > 0) expect(held(share - 1)).toBeLessThan(shards)
    }),
    { numRuns: 2000 },
  )
})

describe('shards that can be worked on', () => {
  // 0 was split into 1 and 2; 1 and 3 were merged into 4.
  const shards = new Map([shard(0), shard(1, [0]), shard(2, [0]), shard(3), shard(4, [1, 3])])
  const next = sequenceNumber(5n)
  test.each([
    ['the oldest', [], [0, 3]],
    ['those that have been begun', [[0, next]], [0, 3]],
    ['children of what is finished', [[0, 'finished']], [1, 2, 3]],
    [
      'not the child of a merge while one parent is open',
      [
        [0, 'finished'],
        [1, 'finished'],
      ],
      [2, 3],
    ],
    [
      'the child of a merge after both',
      [
        [0, 'finished'],
        [1, 'finished'],
        [3, 'finished'],
      ],
      [2, 4],
    ],
  ] as const)('%s', (_, places, available) => {
    const checkpoints = new Map<number, CheckpointPlace>(places)
    expect(availableShards(shards, checkpoints)).toEqual(available)
  })

  test('a parent that is not in the stream any more keeps nobody waiting', () => {
    const rest = new Map([...shards].filter(([index]) => index !== 0 && index !== 1))
    expect(availableShards(rest, new Map())).toEqual([2, 3])
    expect(availableShards(rest, new Map([[3, 'finished']]))).toEqual([2, 4])
  })
})
