/**
 * What is set of a stream, through its operations; behaviours that emulators of Kinesis often get
 * wrong have their numbers in the list of twenty.
 */

import { expect, test, vi } from 'vitest'
import type { Broker } from '../../../src/broker/broker.ts'
import {
  describeStream,
  describeStreamSummary,
  listShards,
  splitShard,
} from '../../../src/wire/operations.ts'
import {
  decreaseStreamRetentionPeriod,
  describeLimits,
  increaseStreamRetentionPeriod,
  updateMaxRecordSize,
  updateStreamMode,
  updateStreamRetentionBytes,
} from '../../../src/wire/setting-operations.ts'
import { FakeClocks } from '../../support/fake-clocks.ts'
import {
  failure,
  get,
  iteratorOf,
  makeBroker,
  makeStream,
  put,
  putMany,
  textRecord,
  untilActive,
} from './harness.ts'

// Syncs take their time on a busy disk.
vi.setConfig({ testTimeout: 30_000 })

const streamName = 's'
const os = { streamName, durability: 'os' } as const
const hour = 3_600_000
const mib = 1024 * 1024

/** A broker on a machine whose clocks are moved by hand; each look at time is a second later. */
async function made(shardCount = 1) {
  const clocks = new FakeClocks()
  let elapsed = 0
  const made = await makeBroker({
    now: clocks.now,
    steadyClock: clocks,
    elapsed: () => {
      elapsed += 1000
      return elapsed
    },
  })
  await makeStream(made.broker, streamName, shardCount, { streamMode: 'PROVISIONED' })
  return { made, broker: made.broker, clocks }
}

/** Lets time go by, and the broker see it. */
async function pass(broker: Broker, clocks: FakeClocks, millis: number): Promise<void> {
  clocks.pass(millis)
  // A change of nothing looks at the clocks, and trims.
  const { retentionPeriodHours } = await broker.call(describeStreamSummary, { streamName })
  await broker.call(decreaseStreamRetentionPeriod, { streamName, retentionPeriodHours })
}

test('Kinesis 20: an iterator from before goes on at the horizon', async () => {
  const { broker, clocks } = await made()
  await putMany(broker, os, [textRecord('k', 'a'), textRecord('k', 'b')])
  const start = { streamName, shardId: '0' }
  const oldest = await iteratorOf(broker, { ...start, shardIteratorType: 'TRIM_HORIZON' })
  expect((await get(broker, oldest)).records).toHaveLength(2)
  await pass(broker, clocks, 24 * hour + 60_000)
  const fresh = { ...start, shardIteratorType: 'AT_SEQUENCE_NUMBER', startingSequenceNumber: 1n }
  const old = await iteratorOf(broker, fresh as never)
  expect(await get(broker, old)).toMatchObject({ records: [], firstSequenceNumber: 3n })
  await put(broker, os, textRecord('k', 'c'))
  expect((await get(broker, old)).records).toMatchObject([{ sequenceNumber: 3n, text: 'c' }])
  const timestamp = clocks.wallMillis - 30 * hour
  const early = await iteratorOf(broker, { ...start, shardIteratorType: 'AT_TIMESTAMP', timestamp })
  expect((await get(broker, early)).records).toMatchObject([{ text: 'c' }])
})

test('Kinesis 9: an iterator of a shard that has expired is worth nothing', async () => {
  const { made: test, broker, clocks } = await made()
  await put(broker, os, textRecord('k', 'a'))
  await broker.call(splitShard, { streamName, shardToSplit: '0', newStartingHashKey: 2n ** 127n })
  await untilActive(broker, streamName)
  const start = { streamName, shardId: '0', shardIteratorType: 'TRIM_HORIZON' } as const
  clocks.pass(24 * hour - 60_000)
  const iterator = await iteratorOf(broker, start)
  clocks.pass(120_000)
  const ids = async () =>
    (await broker.call(listShards, { streamName })).shards.map((it) => it.shardId)
  await expect.poll(ids, { interval: 20, timeout: 10_000 }).toHaveLength(2)
  await expect
    .poll(() => failure(get(broker, iterator)).then((it) => it.code), { timeout: 10_000 })
    .toBe('SHARD_NOT_FOUND')
  expect(await failure(iteratorOf(broker, start))).toMatchObject({
    code: 'SHARD_NOT_FOUND',
    message: 'Shard shardId-000000000000 in stream s does not exist',
  })
  await test.reopen()
  const { shards } = await test.broker.call(describeStream, { streamName })
  expect(shards.map((it) => [it.shardId.slice(-1), it.parentShardId?.slice(-1)])).toEqual([
    ['1', '0'],
    ['2', '0'],
  ])
})

test('Kinesis 12: a reader that the horizon has overtaken has nothing before it', async () => {
  const { broker, clocks } = await made()
  for (const text of ['a', 'b', 'c']) await put(broker, os, textRecord('k', text))
  const start = { streamName, shardId: '0', shardIteratorType: 'TRIM_HORIZON' } as const
  clocks.pass(24 * hour - 60_000)
  const answer = await get(broker, await iteratorOf(broker, start), 1)
  expect(answer.millisBehindLatest).toBeGreaterThan(22 * hour)
  await pass(broker, clocks, 120_000)
  const next = await get(broker, answer.nextShardIterator ?? '')
  expect(next).toMatchObject({ recordCount: 0, millisBehindLatest: 0, firstSequenceNumber: 4n })
})

test('Kinesis 14: the maximum of a record counts from the change on', async () => {
  const { broker } = await made()
  const record = { key: 'k', data: new Uint8Array(2 * mib - 1) }
  expect((await failure(put(broker, os, record))).code).toBe('RECORD_TOO_LARGE')
  await broker.call(updateMaxRecordSize, { streamName, recordBytesMax: 2 * mib })
  await untilActive(broker, streamName)
  await put(broker, os, record)
  const larger = { key: 'kk', data: record.data }
  expect((await failure(put(broker, os, larger))).code).toBe('RECORD_TOO_LARGE')
  await broker.call(updateMaxRecordSize, { streamName, recordBytesMax: mib })
  await untilActive(broker, streamName)
  expect((await failure(put(broker, os, record))).code).toBe('RECORD_TOO_LARGE')
  const start = { streamName, shardId: '0', shardIteratorType: 'TRIM_HORIZON' } as const
  expect((await get(broker, await iteratorOf(broker, start))).recordCount).toBe(1)
})

test('Kinesis 17: puts and reads go on while a setting changes', async () => {
  const { broker } = await made()
  await put(broker, os, textRecord('k', 'a'))
  const start = { streamName, shardId: '0', shardIteratorType: 'TRIM_HORIZON' } as const
  const iterator = await iteratorOf(broker, start)
  await broker.call(increaseStreamRetentionPeriod, { streamName, retentionPeriodHours: 48 })
  // All three in the turn in which the change was answered.
  const [summary, stored, read] = await Promise.all([
    broker.call(describeStreamSummary, { streamName }),
    put(broker, os, textRecord('k', 'b')),
    get(broker, iterator),
  ])
  expect(summary.streamStatus).toBe('UPDATING')
  expect(stored.shardId).toBe('shardId-000000000000')
  expect(read.records[0]).toMatchObject({ text: 'a' })
  await untilActive(broker, streamName)
})

test('what is set is described, and told of a stream that is not there', async () => {
  const { broker } = await made(3)
  await broker.call(updateStreamRetentionBytes, { streamName, retentionBytes: 5 * mib })
  await untilActive(broker, streamName)
  await broker.call(updateStreamMode, { streamName, streamMode: 'ON_DEMAND' })
  await untilActive(broker, streamName)
  const set = { retentionPeriodHours: 24, retentionBytes: 5 * mib, streamMode: 'ON_DEMAND' }
  expect(await broker.call(describeStream, { streamName })).toMatchObject(set)
  expect(await broker.call(describeStreamSummary, { streamName })).toMatchObject(set)
  await broker.call(updateStreamRetentionBytes, { streamName })
  await untilActive(broker, streamName)
  const { retentionBytes } = await broker.call(describeStreamSummary, { streamName })
  expect(retentionBytes).toBeUndefined()
  const missing = { streamName: 'nowhere' }
  for (const call of [
    broker.call(updateStreamMode, { ...missing, streamMode: 'PROVISIONED' }),
    broker.call(updateMaxRecordSize, { ...missing, recordBytesMax: mib }),
    broker.call(updateStreamRetentionBytes, missing),
    broker.call(increaseStreamRetentionPeriod, { ...missing, retentionPeriodHours: 24 }),
  ]) {
    const { code, message } = await failure(call)
    expect([code, message]).toEqual(['STREAM_NOT_FOUND', 'Stream nowhere not found.'])
  }
})

test('limits are those of the directory, with what is used of them', async () => {
  const { broker } = await made(3)
  await makeStream(broker, 't', 2)
  await broker.call(splitShard, { streamName, shardToSplit: '0', newStartingHashKey: 2n ** 120n })
  await untilActive(broker, streamName)
  expect(await broker.call(describeLimits, {})).toEqual({
    shardLimit: 1_000_000,
    openShardCount: 6,
    onDemandStreamCount: 1,
    onDemandStreamCountLimit: 1_000_000,
  })
})
