/**
 * The behaviours of Kinesis that emulators most often get wrong, by their numbers in the list of
 * twenty; here those of streams, shards and puts.
 */

import { createHash } from 'node:crypto'
import { expect, test, vi } from 'vitest'
import type { Broker } from '../../../src/broker/broker.ts'
import { BatchBuilder } from '../../../src/wire/batch-builder.ts'
import {
  createStream,
  deleteStream,
  describeStream,
  describeStreamSummary,
  listShards,
  listStreams,
  mergeShards,
  type shardIteratorTypes,
} from '../../../src/wire/operations.ts'
import {
  failure,
  get,
  iteratorOf,
  makeBroker,
  makeStream,
  openStreams,
  put,
  putMany,
  putSealed,
  readShard,
  textRecord,
  untilActive,
  untilGone,
} from './harness.ts'

// Syncs take their time on a busy disk.
vi.setConfig({ testTimeout: 30_000 })

const top = 2n ** 128n - 1n
const streamName = 's'
const os = { streamName, durability: 'os' } as const

type IteratorType = (typeof shardIteratorTypes)[number]

function shardIterator(broker: Broker, shardIteratorType: IteratorType, rest: object = {}) {
  return iteratorOf(broker, { streamName, shardId: '0', shardIteratorType, ...rest })
}

test('Kinesis 1: initial ranges are floor(2^128/n) wide, the last takes the rest', async () => {
  const { broker } = await makeBroker()
  for (const count of [1, 2, 3, 4, 5, 7]) {
    const name = `s${count}`
    await makeStream(broker, name, count)
    const { shards } = await broker.call(describeStream, { streamName: name })
    const width = 2n ** 128n / BigInt(count)
    expect(shards.map((it) => it.startingHashKey)).toEqual(
      Array.from({ length: count }, (_, i) => BigInt(i) * width),
    )
    expect(shards.map((it) => it.endingHashKey)).toEqual(
      Array.from({ length: count }, (_, i) => (i === count - 1 ? top : BigInt(i + 1) * width - 1n)),
    )
  }
})

test('Kinesis 2: ending hash keys are inclusive, and the top key routes', async () => {
  const { broker } = await makeBroker()
  await makeStream(broker, streamName, 3)
  const width = 2n ** 128n / 3n
  const explicit = [0n, width - 1n, width, 2n * width - 1n, 2n * width, top]
  const results = await putMany(
    broker,
    os,
    explicit.map((explicitHashKey) => ({ ...textRecord('k', ''), explicitHashKey })),
  )
  expect(results.map((it) => it.shardId.at(-1))).toEqual(['0', '0', '1', '1', '2', '2'])
  const keys = await putMany(broker, os, [
    textRecord('a', ''),
    textRecord('b', ''),
    textRecord('e', ''),
    textRecord('f', ''),
  ])
  expect(keys.map((it) => it.shardId.at(-1))).toEqual(['0', '1', '2', '1'])
})

test('Kinesis 3: an explicit hash key replaces the MD5 in both puts, and is not kept', async () => {
  const { broker } = await makeBroker()
  await makeStream(broker, streamName, 2)
  const hash = BigInt(`0x${createHash('md5').update('a').digest('hex')}`)
  expect(hash < 2n ** 127n).toBe(true)
  const record = { ...textRecord('a', 'x'), explicitHashKey: top }
  expect((await put(broker, os, textRecord('a', 'x'))).shardId).toBe('shardId-000000000000')
  expect((await put(broker, os, record)).shardId).toBe('shardId-000000000001')
  const [plain, explicit] = await putMany(broker, os, [textRecord('a', 'y'), record])
  expect([plain?.shardId.at(-1), explicit?.shardId.at(-1)]).toEqual(['0', '1'])
  const kept = await readShard(broker, streamName, '1')
  expect(kept.map(({ key, text }) => [key, text])).toEqual([
    ['a', 'x'],
    ['a', 'x'],
  ])
})

test('Kinesis 3: one explicit hash key out of range fails the whole request', async () => {
  const { broker } = await makeBroker()
  await makeStream(broker, streamName, 2)
  const wrong = { ...textRecord('b', 'y'), explicitHashKey: 2n ** 128n }
  for (const records of [[wrong], [textRecord('a', 'x'), wrong, textRecord('c', 'z')]]) {
    expect((await failure(putMany(broker, os, records))).code).toBe('INVALID_ARGUMENT')
  }
  expect(await readShard(broker, streamName, '0')).toEqual([])
  expect(await readShard(broker, streamName, '1')).toEqual([])
})

test('Kinesis 6, 7: the end of a closed shard, after everything, names its children', async () => {
  const made = await makeBroker()
  const { broker } = made
  await makeStream(broker, streamName, 2, { streamMode: 'PROVISIONED' })
  for (const text of ['1', '2', '3']) {
    await put(broker, { streamName }, { ...textRecord('k', text), explicitHashKey: 0n })
  }
  await broker.call(mergeShards, { streamName, shardToMerge: '0', adjacentShardToMerge: '1' })
  await untilActive(broker, streamName)

  const childStart = 2n ** 32n + 4n
  const { shards } = await broker.call(describeStream, { streamName })
  expect(shards.map((it) => it.endingSequenceNumber)).toEqual([3n, 1n, undefined])
  expect(shards[2]).toMatchObject({
    shardId: 'shardId-000000000002',
    parentShardId: 'shardId-000000000000',
    adjacentParentShardId: 'shardId-000000000001',
    startingSequenceNumber: childStart,
  })

  const first = await get(broker, await shardIterator(broker, 'TRIM_HORIZON'), 2)
  expect(first.records.map((it) => it.text)).toEqual(['1', '2'])
  expect(first.childShards).toEqual([])
  const second = await get(broker, first.nextShardIterator ?? '')
  expect(second.records.map((it) => it.text)).toEqual(['3'])
  expect(second.nextShardIterator).toBeUndefined()
  const child = {
    shardId: 'shardId-000000000002',
    parentShards: ['shardId-000000000000', 'shardId-000000000001'],
    startingHashKey: 0n,
    endingHashKey: top,
  }
  expect(second.childShards).toEqual([child])

  // The other parent sees the same child; LATEST on a closed shard is its end.
  const other = await iteratorOf(broker, {
    streamName,
    shardId: '1',
    shardIteratorType: 'LATEST',
  })
  const end = await get(broker, other)
  expect([end.recordCount, end.nextShardIterator, end.childShards]).toEqual([0, undefined, [child]])

  // AT_TIMESTAMP works on it as on an open one.
  const at = async (timestamp: number) =>
    await get(broker, await shardIterator(broker, 'AT_TIMESTAMP', { timestamp }))
  expect((await at(0)).records.map((it) => it.text)).toEqual(['1', '2', '3'])
  made.clock.millis = Date.now() + 1000
  expect(await at(made.clock.millis)).toMatchObject({ recordCount: 0, childShards: [child] })

  // What is put now is in the child, above every number of its parents.
  expect(await put(broker, { streamName }, textRecord('k', '4'))).toMatchObject({
    shardId: 'shardId-000000000002',
    sequenceNumber: childStart,
  })
})

test('Kinesis 16: errors have the kinds and the texts of Kinesis', async () => {
  const { broker } = await makeBroker()
  await makeStream(broker, streamName)
  const said = async (promise: Promise<unknown>) => {
    const { code, message } = await failure(promise)
    return `${code}: ${message}`
  }
  const missing = { streamName: 'missing' }
  expect(await said(broker.call(describeStream, missing))).toBe(
    'STREAM_NOT_FOUND: Stream missing not found.',
  )
  expect(await said(put(broker, missing, textRecord('k', '')))).toBe(
    'STREAM_NOT_FOUND: Stream missing not found.',
  )
  expect(await said(broker.call(createStream, { streamName }))).toBe(
    'STREAM_EXISTS: Stream s already exists.',
  )
  const at = (name: string, shardId: string) =>
    said(iteratorOf(broker, { streamName: name, shardId, shardIteratorType: 'LATEST' }))
  expect(await at('missing', 'shardId-0')).toBe(
    'STREAM_NOT_FOUND: Shard shardId-000000000000 in stream missing does not exist',
  )
  expect(await at(streamName, '5')).toBe(
    'SHARD_NOT_FOUND: Shard shardId-000000000005 in stream s does not exist',
  )
  expect(await at(streamName, 'shardId-x')).toBe(
    'SHARD_NOT_FOUND: Could not find shard shardId-x in stream s.',
  )
  expect(await said(shardIterator(broker, 'AT_SEQUENCE_NUMBER'))).toMatch(
    /Request specified AT_SEQUENCE_NUMBER and no StartingSequenceNumber\.$/,
  )
  expect(await said(shardIterator(broker, 'LATEST', { startingSequenceNumber: 1n }))).toMatch(
    /Request specified LATEST and also a StartingSequenceNumber\.$/,
  )
  expect(await said(shardIterator(broker, 'AT_TIMESTAMP'))).toMatch(
    /^INVALID_ARGUMENT: Must specify timestampInMillis parameter/,
  )
})

test('Kinesis 17: CREATING, then ACTIVE, then DELETING, and no step is instantaneous', async () => {
  const { broker } = await makeBroker()
  await broker.call(createStream, { streamName, shardCount: 3 })
  const creating = await broker.call(describeStream, { streamName })
  expect([creating.streamStatus, creating.shards]).toEqual(['CREATING', []])
  expect((await failure(put(broker, os, textRecord('k', '')))).code).toBe('STREAM_NOT_FOUND')
  expect((await failure(shardIterator(broker, 'LATEST'))).code).toBe('STREAM_NOT_FOUND')
  await untilActive(broker, streamName)
  expect((await broker.call(describeStreamSummary, { streamName })).openShardCount).toBe(3)
  await put(broker, os, textRecord('k', ''))

  await broker.call(deleteStream, { streamName })
  const { streamSummaries } = await broker.call(listStreams, {})
  expect(streamSummaries[0]?.streamStatus).toBe('DELETING')
  expect((await failure(put(broker, os, textRecord('k', '')))).code).toBe('STREAM_NOT_FOUND')
  const again = await failure(broker.call(deleteStream, { streamName }))
  expect(`${again.code}: ${again.message}`).toBe(
    'STREAM_IN_USE: Stream s not ACTIVE, instead in state DELETING',
  )
  expect((await failure(broker.call(createStream, { streamName }))).code).toBe('STREAM_EXISTS')
  await untilGone(broker, streamName)
})

test('Kinesis 17: a stream can be deleted while it is created', async () => {
  const { broker, dir } = await makeBroker()
  await broker.call(createStream, { streamName, shardCount: 3 })
  await broker.call(deleteStream, { streamName })
  await untilGone(broker, streamName)
  await broker.close()
  const { log, streams } = await openStreams(dir)
  expect(await log.listShards()).toHaveLength(1)
  await streams.close()
  await log.close()
})

test('Kinesis 18: ListShards pages at 1000; tokens live 300 s, for one stream', async () => {
  const { broker, clock } = await makeBroker()
  await makeStream(broker, streamName, 1001)
  const first = await broker.call(listShards, { streamName, maxResults: 10_000 })
  expect(first.shards).toHaveLength(1000)
  const nextToken = first.nextToken ?? ''
  expect(nextToken).not.toBe('')
  const last = await broker.call(listShards, { nextToken })
  expect(last.shards.map((it) => it.shardId)).toEqual(['shardId-000000001000'])
  expect(last.nextToken).toBeUndefined()

  const said = async (request: object) => {
    const { code, message } = await failure(broker.call(listShards, request))
    return `${code}: ${message}`
  }
  expect(await said({})).toBe(
    'INVALID_ARGUMENT: Either NextToken or StreamName should be provided.',
  )
  expect(await said({ streamName, nextToken })).toBe(
    'INVALID_ARGUMENT: NextToken and StreamName cannot be provided together.',
  )
  expect(await said({ nextToken: `${nextToken}A` })).toBe('INVALID_ARGUMENT: Invalid NextToken.')
  const { streamCreationTimestamp } = await broker.call(describeStreamSummary, { streamName })
  const other = { streamName, streamCreationTimestamp: streamCreationTimestamp + 1 }
  expect(await said(other)).toMatch(/^STREAM_NOT_FOUND/)
  await broker.call(listShards, { streamName, streamCreationTimestamp })
  clock.millis += 300_001
  expect(await said({ nextToken })).toMatch(/^NEXT_TOKEN_EXPIRED/)
})

test('Kinesis 20: a stream that is created again is another one, with other numbers', async () => {
  const { broker, dir } = await makeBroker()
  await makeStream(broker, streamName)
  const builder = new BatchBuilder()
  for (let i = 0; i < 10; i += 1) builder.add('k', new Uint8Array(1))
  await putSealed(broker, os, { shardIndex: 0, count: 10, records: builder.bytes })
  const [before] = (await broker.call(describeStream, { streamName })).shards
  await broker.call(deleteStream, { streamName })
  await untilGone(broker, streamName)
  await broker.close()

  const { broker: again } = await makeBroker({ dir })
  await makeStream(again, streamName)
  const [after] = (await again.call(describeStream, { streamName })).shards
  expect(after?.shardId).toBe(before?.shardId)
  expect(after?.shardNumber).not.toBe(before?.shardNumber)
  expect(after?.startingSequenceNumber).toBe(11n)
  expect(await put(again, os, textRecord('k', 'x'))).toMatchObject({ sequenceNumber: 11n })
  for (const shardIteratorType of ['AT_SEQUENCE_NUMBER', 'AFTER_SEQUENCE_NUMBER'] as const) {
    const error = await failure(
      shardIterator(again, shardIteratorType, { startingSequenceNumber: 10n }),
    )
    expect(error.message).toBe(
      'StartingSequenceNumber 10 used in GetShardIterator on ' +
        'shard shardId-000000000000 in stream s is invalid ' +
        'because it did not come from this stream.',
    )
  }
})
