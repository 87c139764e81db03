/** Metrics of shards: which are told, and what they count. */

import { expect, test } from 'vitest'
import { BatchBuilder } from '../../../src/wire/batch-builder.ts'
import {
  disableEnhancedMonitoring,
  enableEnhancedMonitoring,
  type MonitoringWord,
} from '../../../src/wire/monitoring-operations.ts'
import {
  deleteStream,
  describeStream,
  describeStreamSummary,
} from '../../../src/wire/operations.ts'
import { shardLevelMetrics } from '../../../src/wire/structures.ts'
import {
  failure,
  get,
  iteratorOf,
  makeBroker,
  makeStream,
  put,
  putMany,
  putSealed,
  type TestBroker,
  textRecord,
  untilActive,
} from './harness.ts'

const streamName = 's'
const os = { streamName, durability: 'os' } as const

async function enable({ broker }: TestBroker, ...words: MonitoringWord[]) {
  const answer = await broker.call(enableEnhancedMonitoring, {
    streamName,
    shardLevelMetrics: words,
  })
  await untilActive(broker, streamName)
  return answer
}

async function disable({ broker }: TestBroker, ...words: MonitoringWord[]) {
  const answer = await broker.call(disableEnhancedMonitoring, {
    streamName,
    shardLevelMetrics: words,
  })
  await untilActive(broker, streamName)
  return answer
}

/** Of each shard that has any: its figures by name. */
async function figuresOf({ broker }: TestBroker) {
  const { streams } = await broker.stats()
  return streams[0]?.shards.map(({ figures }) => Object.fromEntries(figures))
}

test('enabling adds, disabling takes away; both say what was and is', async () => {
  const made = await makeBroker()
  await makeStream(made.broker, streamName)
  expect(await enable(made, 'IncomingBytes', 'OutgoingBytes')).toEqual({
    currentShardLevelMetrics: [],
    desiredShardLevelMetrics: ['IncomingBytes', 'OutgoingBytes'],
  })
  expect(await enable(made, 'ALL')).toEqual({
    currentShardLevelMetrics: ['IncomingBytes', 'OutgoingBytes'],
    desiredShardLevelMetrics: shardLevelMetrics,
  })
  expect(await disable(made, 'OutgoingBytes')).toEqual({
    currentShardLevelMetrics: shardLevelMetrics,
    desiredShardLevelMetrics: shardLevelMetrics.filter((it) => it !== 'OutgoingBytes'),
  })
  const left = ['IncomingBytes', 'IteratorAgeMilliseconds'] as const
  await disable(made, ...shardLevelMetrics.filter((it) => !left.includes(it as never)))
  await made.reopen()
  const request = { streamName }
  for (const operation of [describeStream, describeStreamSummary]) {
    expect(await made.broker.call(operation, request)).toMatchObject({ shardLevelMetrics: left })
  }
  expect((await disable(made, 'ALL')).desiredShardLevelMetrics).toEqual([])
  expect(await figuresOf(made)).toEqual([])
})

test('monitoring is of a stream that is there and ACTIVE', async () => {
  const made = await makeBroker()
  expect((await failure(enable(made, 'ALL'))).code).toBe('STREAM_NOT_FOUND')
  await makeStream(made.broker, streamName)
  await made.broker.call(deleteStream, { streamName })
  expect((await failure(enable(made, 'ALL'))).code).toBe('STREAM_IN_USE')
})

test('each shard has its own: what was put, read, and beyond limits', async () => {
  const made = await makeBroker({ elapsed: () => 0 })
  const { broker, clock } = made
  await makeStream(broker, streamName, 2, { streamMode: 'PROVISIONED' })
  const to = (shard: number, text: string) => ({
    ...textRecord('key', text),
    explicitHashKey: shard === 0 ? 0n : 2n ** 128n - 1n,
  })
  await put(broker, os, to(0, 'four'))
  await putMany(broker, os, [to(0, '12345'), to(1, '1')])
  // What was counted before it was asked for is told, too.
  await enable(made, 'ALL')
  const builder = new BatchBuilder()
  builder.add('k', new Uint8Array(9))
  builder.add('k', new Uint8Array(9))
  await putSealed(broker, os, { shardIndex: 1, count: 2, records: builder.bytes })
  const many = Array.from({ length: 500 }, () => to(0, ''))
  for (let i = 0; i < 3; i += 1) await putMany(broker, os, many)
  clock.millis += 5000
  const iterator = await iteratorOf(broker, {
    streamName,
    shardId: '1',
    shardIteratorType: 'TRIM_HORIZON',
  })
  await get(broker, iterator, 2)
  const [first, second] = (await figuresOf(made)) ?? []
  expect(first).toEqual({
    IncomingBytes: 7 + 8 + 998 * 3,
    IncomingRecords: 1000,
    WriteProvisionedThroughputExceeded: 502,
  })
  expect(second).toMatchObject({
    IncomingBytes: 4 + 20,
    IncomingRecords: 3,
    WriteProvisionedThroughputExceeded: 0,
    OutgoingBytes: 4 + 10,
    OutgoingRecords: 2,
    ReadProvisionedThroughputExceeded: 0,
  })
  expect(second?.['IteratorAgeMilliseconds']).toBeGreaterThan(0)
})
