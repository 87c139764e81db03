import { expect, test } from 'vitest'
import { FinishedShards } from '../../../src/client/finished-shards.ts'
import { OwnShards } from '../../../src/client/own-shards.ts'
import type { ChildShard } from '../../../src/wire/operations.ts'

const child = (shardId: string, ...parentShards: string[]): ChildShard => {
  return { shardId, parentShards, startingHashKey: 0n, endingHashKey: 1n }
}

test('a finished shard is remembered until all of its children are begun', () => {
  const finished = new FinishedShards()
  for (const it of ['0', '1']) finished.begin(it)
  expect(finished.end('0', [child('2', '0'), child('3', '0')])).toEqual([])
  expect(finished.begin('2')).toEqual([])
  expect(finished.begin('3')).toEqual(['0'])
})

test('one whose children were begun before is forgotten at once, one without never', () => {
  const finished = new FinishedShards()
  for (const it of ['0', '1', '2']) finished.begin(it)
  expect(finished.end('0', [child('2', '0')])).toEqual(['0'])
  expect(finished.end('1', [])).toEqual([])
})

test('of a merge both parents are forgotten, also one whose end was in another life', () => {
  const finished = new FinishedShards()
  for (const it of ['0', '1']) finished.begin(it)
  expect(finished.end('1', [child('2', '0', '1')])).toEqual([])
  expect(finished.begin('2').sort()).toEqual(['0', '1'])
})

test('children with subscriptions of their own are begun once, behind all parents', () => {
  const own = new OwnShards()
  for (const it of ['0', '1']) own.begin(it)
  const merged = child('2', 'shardId-000000000000', 'shardId-000000000001')
  expect(own.end('shardId-000000000000', [merged])).toEqual([])
  expect(own.end('shardId-000000000001', [merged])).toEqual(['2'])
  own.begin('2')
  expect(own.end('shardId-000000000001', [merged])).toEqual([])
  // Whether a parent that was not begun will be is not known here.
  expect(own.end('2', [child('3', '2', '7')])).toBeUndefined()
})
