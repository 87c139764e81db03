import { expect, test } from 'vitest'
import {
  type CatalogRecord,
  decodeCatalogRecord,
  encodeCatalogRecord,
} from '../../../src/stream/catalog-records.ts'
import { CatalogState, shardRecords } from '../../../src/stream/catalog-state.ts'
import { uniformHashRanges } from '../../../src/stream/hash-ranges.ts'
import { sequenceNumber, shardId } from '../../../src/wire/numbers.ts'

function created(streamNumber: number, streamName: string, first = 1n): CatalogRecord {
  return {
    kind: 'streamCreated',
    streamNumber,
    streamName,
    createdMillis: 1_800_000_000_000,
    streamMode: 'ON_DEMAND',
    shardCount: 3,
    retentionPeriodHours: 24,
    recordBytesMax: 1024 * 1024,
    firstSequenceNumber: first,
    tags: [{ key: 'k', value: '' }],
  }
}

function shards(streamNumber: number): CatalogRecord[] {
  return shardRecords(
    streamNumber,
    uniformHashRanges(3).map((range, index) => ({
      ...range,
      index,
      number: shardId(2n ** 40n + BigInt(index)),
      startingSequenceNumber: sequenceNumber(1n),
      createdMillis: 1_800_000_000_000,
      parents: index === 2 ? [0, 1] : [],
      closing:
        index === 2
          ? undefined
          : { endingSequenceNumber: sequenceNumber(2n ** 63n), closedMillis: 1_800_000_000_001 },
    })),
  )
}

function deleted(streamNumber: number, endSequenceNumber: bigint): CatalogRecord[] {
  return [
    { kind: 'deletionBegun', streamNumber, endSequenceNumber },
    { kind: 'streamDeleted', streamNumber },
  ]
}

/** The state after records that went through their bytes. */
function stateOf(records: Iterable<CatalogRecord>): CatalogState {
  const state = new CatalogState()
  for (const record of records) state.apply(decodeCatalogRecord(encodeCatalogRecord(record)))
  return state
}

test('a snapshot adds up to the state that it was made of', () => {
  const state = stateOf([
    created(1, 'one'),
    ...shards(1),
    { kind: 'statusSet', streamNumber: 1, status: 'ACTIVE' },
    created(2, 'two'),
    created(3, 'three'),
    ...shards(3),
    { kind: 'deletionBegun', streamNumber: 3, endSequenceNumber: 900n },
    created(4, 'four'),
    ...deleted(4, 77n),
    { kind: 'tagsSet', streamNumber: 1, tags: [{ key: 'ß', value: '€'.repeat(256) }] },
    { kind: 'monitoringSet', streamNumber: 1, shardLevelMetrics: ['IncomingBytes'] },
    { kind: 'monitoringSet', streamNumber: 2, shardLevelMetrics: ['OutgoingBytes'] },
    { kind: 'monitoringSet', streamNumber: 2, shardLevelMetrics: [] },
  ])
  const again = stateOf([...state.snapshot()].flat())
  expect([...again.streams]).toEqual([...state.streams])
  expect(again.nextStreamNumber).toBe(5)
  expect(again.firstSequenceNumber('four')).toBe(77n)
  expect(again.firstSequenceNumber('five')).toBe(1n)
  expect([...again.snapshot()]).toEqual([...state.snapshot()])
})

function reshard(streamNumber: number): CatalogRecord[] {
  const replacements = [{ parents: [2], startingHashKeys: [0n, 2n ** 100n] }]
  const children = [3, 4].map((index) => ({
    index,
    number: 2n ** 50n + BigInt(index),
    startingHashKey: index === 3 ? 0n : 2n ** 100n,
    endingHashKey: index === 3 ? 2n ** 100n - 1n : 2n ** 128n - 1n,
    startingSequenceNumber: 2n ** 33n,
    createdMillis: 1_800_000_000_002,
    parents: [2],
  }))
  return [
    { kind: 'shardCountUpdatesSet', streamNumber, millis: [1_800_000_000_000] },
    { kind: 'reshardBegun', streamNumber, replacements, targetShardCount: 7 },
    { kind: 'routesSwitched', streamNumber, children },
  ]
}

test('a snapshot has a reshard at each of its steps, also of a stream that goes', () => {
  const [counted, begun, switched] = reshard(1) as [CatalogRecord, CatalogRecord, CatalogRecord]
  const before = [created(1, 'one'), ...shards(1)]
  const active: CatalogRecord = { kind: 'statusSet', streamNumber: 1, status: 'ACTIVE' }
  const gone: CatalogRecord = { kind: 'deletionBegun', streamNumber: 1, endSequenceNumber: 9n }
  for (const after of [
    [counted],
    [counted, begun],
    [begun, switched],
    [begun, gone],
    [begun, switched, gone],
    [begun, switched, active],
  ]) {
    const state = stateOf([...before, active, ...after])
    const again = stateOf([...state.snapshot()].flat())
    expect([...again.streams]).toEqual([...state.streams])
    expect([...again.snapshot()]).toEqual([...state.snapshot()])
  }
  const [stream] = stateOf([...before, active, begun, switched]).streams
  expect([stream?.status, stream?.shards.size]).toEqual(['UPDATING', 3])
  expect(stream?.reshard?.children.map((it) => it.index)).toEqual([3, 4])
  const [done] = stateOf([...before, active, begun, switched, active]).streams
  expect([done?.status, done?.reshard]).toEqual(['ACTIVE', undefined])
})

test.each([
  ['of a shard that is not open', { kind: 'reshardBegun', parents: [0] }],
  ['of a shard that is not there', { kind: 'reshardBegun', parents: [9] }],
  ['without a beginning', { kind: 'routesSwitched', parents: [] }],
])('a reshard %s stops the open', (_, { kind, parents }) => {
  const replacements = [{ parents, startingHashKeys: [0n] }]
  const record = { kind, streamNumber: 1, replacements, children: [] } as unknown as CatalogRecord
  expect(() => stateOf([created(1, 'one'), ...shards(1), record])).toThrow(
    expect.objectContaining({ code: 'CATALOG_UNREADABLE' }),
  )
})

test('the last numbers of 1000 deleted streams are kept by name, of others for all', () => {
  const state = new CatalogState()
  for (let number = 1; number <= 1005; number += 1) {
    state.apply(created(number, `s${number}`))
    for (const record of deleted(number, BigInt(10 * number))) state.apply(record)
  }
  for (const it of [state, stateOf([...state.snapshot()].flat())]) {
    expect(it.firstSequenceNumber('s1005')).toBe(10_050n)
    expect(it.firstSequenceNumber('s6')).toBe(60n)
    // Those that were dropped count for every name that is not kept.
    expect(it.firstSequenceNumber('s1')).toBe(50n)
    expect(it.firstSequenceNumber('new')).toBe(50n)
  }
})

test('a stream that never had a record is not remembered', () => {
  const state = stateOf([created(1, 'one'), ...deleted(1, 1n)])
  expect([...state.snapshot()].flat()).toHaveLength(1)
})

const consumer = { streamNumber: 1, consumerName: 'c' }
const registered: CatalogRecord = {
  kind: 'consumerRegistered',
  ...consumer,
  createdMillis: 1_800_000_000_000,
  tags: [{ key: 'ß', value: '' }],
}

function checkpoints(...places: readonly (bigint | undefined)[]): CatalogRecord {
  const rows = places.map((it, shardIndex) =>
    it === undefined ? { shardIndex } : { shardIndex, nextSequenceNumber: it },
  )
  return { kind: 'checkpointsSet', ...consumer, checkpoints: rows }
}

function lease(shardIndex: number, leaseCounter: bigint, workerId?: string): CatalogRecord {
  const row = { shardIndex, leaseCounter, leaseMillis: 10_000 }
  const leases = [workerId === undefined ? row : { ...row, workerId }]
  return { kind: 'leasesSet', ...consumer, leases }
}

test('consumers, checkpoints and leases add up, and a snapshot has them all', () => {
  const state = stateOf([
    created(1, 'one'),
    registered,
    checkpoints(5n, 6n, 7n),
    checkpoints(8n, undefined),
    lease(0, 1n, 'a'),
    lease(1, 2n, 'b'.repeat(128)),
    lease(0, 3n, '€'.repeat(128)),
    lease(1, 2n),
    created(2, 'two'),
    { ...registered, streamNumber: 2 },
    { ...registered, consumerName: 'gone' },
    { kind: 'consumerDeregistered', streamNumber: 1, consumerName: 'gone' },
  ])
  for (const it of [state, stateOf([...state.snapshot()].flat())]) {
    const [one, ...others] = it.consumers.of(1)
    expect(others).toEqual([])
    expect(one).toEqual({
      streamNumber: 1,
      name: 'c',
      createdMillis: 1_800_000_000_000,
      tags: new Map([['ß', '']]),
      checkpoints: new Map<number, unknown>([
        [0, 8n],
        [1, 'finished'],
        [2, 7n],
      ]),
      leases: new Map([[0, { workerId: '€'.repeat(128), counter: 3n, millis: 10_000 }]]),
    })
    expect(it.consumers.find(2, 'c')?.checkpoints.size).toBe(0)
    expect(it.consumers.highestCounter).toBe(3n)
  }
})

test('with a deletion the consumers of the stream are gone, and no counter comes again', () => {
  const state = stateOf([
    created(1, 'one'),
    registered,
    lease(0, 2n ** 63n, 'a'),
    { kind: 'deletionBegun', streamNumber: 1, endSequenceNumber: 9n },
  ])
  for (const it of [state, stateOf([...state.snapshot()].flat())]) {
    expect(it.consumers.of(1)).toEqual([])
    expect(it.consumers.highestCounter).toBe(2n ** 63n)
  }
})

test('a catalog without consumers has nothing that an earlier version does not know', () => {
  const state = stateOf([created(1, 'one'), ...shards(1), created(2, 'two'), ...deleted(2, 7n)])
  const kinds = [...state.snapshot()].flat().map((it) => it.kind)
  expect(kinds).toEqual(['streamCreated', 'shardsWritten', 'nameRetired', 'snapshotEnd'])
})

test('a snapshot of many checkpoints and leases is cut into records that can be read', () => {
  const count = 25_000
  const state = stateOf([created(1, 'one'), registered])
  for (let i = 0; i < count; i += 1) {
    const row = { shardIndex: i, nextSequenceNumber: BigInt(i) }
    state.apply({ kind: 'checkpointsSet', ...consumer, checkpoints: [row] })
    state.apply(lease(i, BigInt(i + 1), 'w'))
  }
  const again = stateOf([...state.snapshot()].flat())
  expect(again.consumers.find(1, 'c')).toEqual(state.consumers.find(1, 'c'))
  expect(again.consumers.find(1, 'c')?.leases.size).toBe(count)
})
