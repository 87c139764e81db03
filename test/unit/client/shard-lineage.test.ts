import { expect, test } from 'vitest'
import { ReadProgress } from '../../../src/client/read-progress.ts'
import { childrenToRead, planResume } from '../../../src/client/shard-lineage.ts'
import type { ShardDescription } from '../../../src/wire/operations.ts'

/** Shard `id`, with the numbers of its parents. */
function shard(id: string, ...[parentShardId, adjacentParentShardId]: string[]): ShardDescription {
  return {
    shardId: id,
    ...(parentShardId === undefined ? {} : { parentShardId }),
    ...(adjacentParentShardId === undefined ? {} : { adjacentParentShardId }),
    startingHashKey: 0n,
    endingHashKey: 1n,
    startingSequenceNumber: 1n,
    shardNumber: BigInt(id.charCodeAt(0)),
  }
}

const position = (id: string, next?: bigint) => ({
  shardId: id,
  shardNumber: BigInt(id.charCodeAt(0)),
  next,
})

// a is split into b and c; c and d are merged into e.
const [a, b, c, d, e] = [
  shard('a'),
  shard('b', 'a'),
  shard('c', 'a'),
  shard('d'),
  shard('e', 'c', 'd'),
]
const all = [a, b, c, d, e]

function progressOf(reading: ShardDescription[], ended: ShardDescription[]): ReadProgress {
  const progress = new ReadProgress()
  for (const it of reading) progress.reach(it, 1n)
  for (const it of ended) progress.end(it)
  return progress
}

test.each([
  ['both children of a split', 'a', [d], [a], ['b', 'c']],
  ['not while the other parent is being read', 'c', [d], [a, c], []],
  ['as soon as the other parent is done', 'd', [], [c, d], ['e']],
  ['not those that are done, or being read', 'a', [c], [a, b], []],
  ['not while what the other parent comes from is being read', 'd', [a], [d], []],
  ['not while the other parent is about to be begun', 'd', [], [a, d], []],
  ['those whose other parent is not known', 'd', [], [d], ['e']],
])('children to read: %s', (_, ended, reading, done, expected) => {
  const children = childrenToRead(ended, all, progressOf(reading, done))
  expect(children.map((it) => it.shardId)).toEqual(expected)
})

test('shards that were split and merged in turn for a long time are looked at once each', () => {
  const shards = [shard('M0')]
  for (let i = 1; i <= 60; i += 1) {
    shards.push(shard(`A${i}`, `M${i - 1}`), shard(`B${i}`, `M${i - 1}`))
    shards.push(shard(`M${i}`, `A${i}`, `B${i}`))
  }
  const progress = progressOf([], [])
  progress.end(shard('A60'))
  expect(childrenToRead('A60', shards, progress).map((it) => it.shardId)).toEqual(['M60'])
})

test('a shard that is done is kept until all of its children are begun', () => {
  const progress = progressOf([b, d], [a])
  progress.prune(all)
  expect(progress.isKnown('a')).toBe(true)
  progress.reach(c, 1n)
  progress.prune(all)
  expect(progress.isKnown('a')).toBe(false)
  progress.end(c)
  progress.prune(all)
  expect(progress.isKnown('c')).toBe(true)
})

test.each([
  ['the same shards', [position('a', 5n), position('d', 7n)], all, 'a d', '', ''],
  [
    'children, not their parents',
    [position('b', 5n), position('c', 5n), position('d', 7n)],
    all,
    'b c d',
    '',
    '',
  ],
  [
    'a parent that is done, for the sake of the other',
    [position('c'), position('d', 1n)],
    all,
    'c d',
    '',
    '',
  ],
  [
    'a shard that has expired: what comes after it',
    [position('a', 5n), position('d', 7n)],
    [b, c, d, e],
    'd',
    'a',
    'b c',
  ],
  ['nothing that is still there', [position('x', 5n)], [a, d], '', 'x', 'a d'],
  ['nothing that is missed: it was done', [position('x')], [a], '', '', 'a'],
])('a resume finds %s', (_, positions, shards, found, lost, fresh) => {
  const plan = planResume(positions, shards)
  const names = (list: readonly { readonly shardId: string }[]) =>
    list.map((it) => it.shardId).join(' ')
  expect(names(plan.found.map((it) => it.shard))).toBe(found)
  expect(names(plan.lost)).toBe(lost)
  expect(names(plan.fresh)).toBe(fresh)
})
