import { expect, test } from 'vitest'
import type { MillraceError } from '../../../src/errors.ts'
import { sequenceNumber, shardId } from '../../../src/log/log.ts'
import type { Shard } from '../../../src/shard/shard.ts'
import { filterShards, unexpiredShards } from '../../../src/stream/shard-filter.ts'
import { openShards, type Stream } from '../../../src/stream/stream.ts'
import type { ShardFilter } from '../../../src/wire/operations.ts'

const hour = 3_600_000
const created = 1_000 * hour
const top = 2n ** 128n - 1n
const half = 2n ** 127n

function shard(
  index: number,
  range: readonly [bigint, bigint],
  createdMillis: number,
  parents: number[],
  closedMillis?: number,
): Shard {
  return {
    index,
    number: shardId(BigInt(index + 2)),
    startingHashKey: range[0],
    endingHashKey: range[1],
    startingSequenceNumber: sequenceNumber(1n),
    createdMillis,
    parents,
    closing:
      closedMillis === undefined
        ? undefined
        : { endingSequenceNumber: sequenceNumber(5n), closedMillis },
  }
}

/** 0 is split into 1 and 2 after 10 hours, 1 and 2 are merged into 3 after 20. */
const shards = [
  shard(0, [0n, top], created, [], created + 10 * hour),
  shard(1, [0n, half - 1n], created + 10 * hour, [0], created + 20 * hour),
  shard(2, [half, top], created + 10 * hour, [0], created + 20 * hour),
  shard(3, [0n, top], created + 20 * hour, [1, 2]),
]

const stream: Stream = {
  number: 1,
  name: 's',
  status: 'ACTIVE',
  mode: 'ON_DEMAND',
  createdMillis: created,
  retentionPeriodHours: 24,
  retentionBytes: undefined,
  horizonMillis: 0,
  modeSwitches: [],
  recordBytesMax: 1024 * 1024,
  shardCount: 1,
  firstSequenceNumber: sequenceNumber(1n),
  endSequenceNumber: sequenceNumber(1n),
  shards: new Map(shards.map((it) => [it.index, it])),
  tags: new Map(),
  shardLevelMetrics: new Set(),
  encryption: undefined,
  encryptionChanges: [],
  shardCountUpdates: [],
}

/** What is older than 24 h at an hour has expired. */
const horizonAt = (hours: number) => created + (hours - 24) * hour

const indexes = (filter: ShardFilter, hours: number) =>
  filterShards(stream, filter, horizonAt(hours)).map((it) => it.index)

const at = (hours: number) => ({ timestamp: created + hours * hour })

test.each<[string, ShardFilter, number, number[]]>([
  ['all while nothing is older than 24 h', { type: 'FROM_TRIM_HORIZON' }, 21, [0, 1, 2, 3]],
  ['a parent that was closed 24 h ago is gone', { type: 'FROM_TRIM_HORIZON' }, 34, [1, 2, 3]],
  [
    '... and a millisecond earlier it is there',
    { type: 'FROM_TRIM_HORIZON' },
    33.9999,
    [0, 1, 2, 3],
  ],
  ['in the end the open ones are left', { type: 'FROM_TRIM_HORIZON' }, 44, [3]],
  ['those that were open when the stream was made', { type: 'AT_TRIM_HORIZON' }, 21, [0]],
  ['those that were open 24 h ago', { type: 'AT_TRIM_HORIZON' }, 36, [1, 2]],
  ['at the very time of a split the children', { type: 'AT_TRIM_HORIZON' }, 34, [1, 2]],
  ['open at the time and all after', { type: 'FROM_TIMESTAMP', ...at(15) }, 21, [1, 2, 3]],
  [
    'a time before the horizon is the horizon',
    { type: 'FROM_TIMESTAMP', ...at(-5) },
    36,
    [1, 2, 3],
  ],
  ['open at that instant', { type: 'AT_TIMESTAMP', ...at(5) }, 21, [0]],
  ['open at that instant, later', { type: 'AT_TIMESTAMP', ...at(19) }, 21, [1, 2]],
  ['before there was a stream: its first shards', { type: 'AT_TIMESTAMP', ...at(-1) }, 21, [0]],
  ['open now', { type: 'AT_LATEST' }, 21, [3]],
  ['behind a shard', { type: 'AFTER_SHARD_ID', shardId: 'shardId-1' }, 21, [2, 3]],
  ['behind a shard that is not there', { type: 'AFTER_SHARD_ID', shardId: '9' }, 21, []],
])('%s', (_, filter, hours, expected) => {
  expect(indexes(filter, hours)).toEqual(expected)
})

test('the shards that are open at any instant tile the hash space', () => {
  for (let hours = 0; hours <= 30; hours += 0.5) {
    const open = filterShards(stream, { type: 'AT_TIMESTAMP', ...at(hours) }, horizonAt(31))
    let next = 0n
    for (const { startingHashKey, endingHashKey } of open) {
      expect(startingHashKey).toBe(next)
      next = endingHashKey + 1n
    }
    expect(next).toBe(top + 1n)
  }
})

test('a listing without a filter shows what can still have records', () => {
  expect(unexpiredShards(stream, horizonAt(36)).map((it) => it.index)).toEqual([1, 2, 3])
  expect(openShards(stream).map((it) => it.index)).toEqual([3])
})

test.each<[ShardFilter, string]>([
  [{ type: 'AT_TIMESTAMP' }, 'needs a timestamp'],
  [{ type: 'FROM_TIMESTAMP' }, 'needs a timestamp'],
  [{ type: 'AFTER_SHARD_ID' }, 'needs a shardId'],
  [{ type: 'AT_LATEST', timestamp: 1 }, 'takes no timestamp'],
  [{ type: 'AT_TRIM_HORIZON', shardId: '0' }, 'takes no shardId'],
  [{ type: 'AFTER_SHARD_ID', shardId: 'shardId-x' }, 'Could not find shard shardId-x'],
])('%j: %s', (filter, text) => {
  expect(() => filterShards(stream, filter, 0)).toThrow(
    expect.objectContaining({ message: expect.stringContaining(text) } as MillraceError),
  )
})
