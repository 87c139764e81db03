/**
 * The behaviours of Kinesis that emulators most often get wrong, by their numbers in the list of
 * twenty; here those of iterators and reads.
 */

import { expect, test, vi } from 'vitest'
import type { Broker } from '../../../src/broker/broker.ts'
import { getRecordsBytesMax, recordBytesMaxDefault } from '../../../src/limits.ts'
import { sequenceNumber, shardId } from '../../../src/log/log.ts'
import { openLog } from '../../../src/log/native-log.ts'
import { packMessage } from '../../../src/wire/codec.ts'
import {
  deleteStream,
  describeStream,
  putRecords,
  type shardIteratorTypes,
} from '../../../src/wire/operations.ts'
import {
  failure,
  get,
  iteratorOf,
  logOptions,
  makeBroker,
  makeStream,
  put,
  putMany,
  sendPut,
  textRecord,
  untilGone,
} from './harness.ts'

// Syncs take their time on a busy disk.
vi.setConfig({ testTimeout: 30_000 })

const streamName = 's'
const os = { streamName, durability: 'os' } as const

type IteratorType = (typeof shardIteratorTypes)[number]

function shardIterator(broker: Broker, shardIteratorType: IteratorType, rest: object = {}) {
  return iteratorOf(broker, { streamName, shardId: '0', shardIteratorType, ...rest })
}

test('Kinesis 8: every call gives a new iterator, forward, also for empty answers', async () => {
  const { broker, clock } = await makeBroker()
  await makeStream(broker, streamName)
  const all = Array.from({ length: 50 }, (_, i) => textRecord('k', String(i)))
  await putMany(broker, os, all)
  let next = await shardIterator(broker, 'TRIM_HORIZON')
  const seen: bigint[] = []
  for (let call = 0; call < 60; call += 1) {
    clock.millis += 1
    const answer = await get(broker, next, 1 + (call % 3))
    seen.push(...answer.records.map((it) => it.sequenceNumber))
    expect(answer.nextShardIterator).not.toBe(next)
    next = answer.nextShardIterator ?? ''
  }
  expect(seen).toEqual(all.map((_, i) => BigInt(i + 1)))
})

test('Kinesis 9: an iterator lives 300 s from its issue, however often it is used', async () => {
  const { broker, clock } = await makeBroker()
  await makeStream(broker, streamName)
  await put(broker, os, textRecord('k', 'x'))
  const issued = clock.millis
  const iterator = await shardIterator(broker, 'TRIM_HORIZON')
  clock.millis += 300_000
  const first = await get(broker, iterator)
  expect(await get(broker, iterator)).toMatchObject({ records: first.records })
  clock.millis += 1
  const error = await failure(get(broker, iterator))
  expect(error.code).toBe('ITERATOR_EXPIRED')
  const time = (millis: number) => new Date(millis).toISOString().slice(11, 19)
  expect(error.message).toMatch(
    /^Iterator expired\. The iterator was created at time \w{3} \w{3} \d\d /,
  )
  expect(error.message).toContain(`${time(issued)} UTC`)
  expect(error.message).toContain(`${time(clock.millis)} UTC`)
  expect(error.message).toContain('300000 milliseconds.')
  // The one that an answer gave is younger.
  await get(broker, first.nextShardIterator ?? '')
})

test('Kinesis 9: iterators survive a restart, and die when a stream is created again', async () => {
  const made = await makeBroker()
  await makeStream(made.broker, streamName)
  await put(made.broker, { streamName }, textRecord('k', 'x'))
  const iterator = await shardIterator(made.broker, 'TRIM_HORIZON')
  await made.reopen()
  const { broker } = made
  expect((await get(broker, iterator)).records).toHaveLength(1)
  await broker.call(deleteStream, { streamName })
  await untilGone(broker, streamName)
  expect((await failure(get(broker, iterator))).code).toBe('SHARD_NOT_FOUND')
  await makeStream(broker, streamName)
  expect((await failure(get(broker, iterator))).code).toBe('SHARD_NOT_FOUND')
})

test('Kinesis 9: what was tampered with, or comes from elsewhere, is no iterator', async () => {
  const { broker } = await makeBroker()
  await makeStream(broker, streamName)
  const iterator = await shardIterator(broker, 'LATEST')
  expect(iterator.length).toBeLessThanOrEqual(512)
  for (let at = 0; at < iterator.length; at += 1) {
    const other = iterator[at] === 'A' ? 'B' : 'A'
    const changed = iterator.slice(0, at) + other + iterator.slice(at + 1)
    const error = await failure(get(broker, changed))
    expect([error.code, error.message]).toEqual(['INVALID_ARGUMENT', 'Invalid ShardIterator.'])
  }
  const { broker: foreign } = await makeBroker()
  await makeStream(foreign, streamName)
  for (const text of ['', 'x', '"', '""', iterator.slice(1), `${iterator}A`, `${iterator}=`]) {
    expect((await failure(get(broker, text))).message).toBe('Invalid ShardIterator.')
  }
  expect((await failure(get(foreign, iterator))).message).toBe('Invalid ShardIterator.')
  // Some clients send the JSON text of the string.
  expect((await get(broker, `"${iterator}"`)).recordCount).toBe(0)
})

test('Kinesis 10: LATEST is fixed at the call, not at the first read', async () => {
  const { broker } = await makeBroker()
  await makeStream(broker, streamName)
  await put(broker, os, textRecord('k', 'before'))
  const iterator = await shardIterator(broker, 'LATEST')
  await put(broker, os, textRecord('k', 'between'))
  await put(broker, os, textRecord('k', 'after'))
  expect((await get(broker, iterator)).records.map((it) => it.text)).toEqual(['between', 'after'])
})

test('Kinesis 11: AT_TIMESTAMP: empty, before the horizon, in between, in the future', async () => {
  const { broker, clock } = await makeBroker()
  await makeStream(broker, streamName)
  const at = (timestamp: number) => shardIterator(broker, 'AT_TIMESTAMP', { timestamp })
  expect((await get(broker, await at(clock.millis))).recordCount).toBe(0)
  await put(broker, os, textRecord('k', 'first'))
  const { arrival } = await firstArrival(broker)
  await expect.poll(() => Date.now()).toBeGreaterThan(arrival)
  await put(broker, os, textRecord('k', 'second'))
  clock.millis = Date.now()
  const texts = async (timestamp: number) =>
    (await get(broker, await at(timestamp))).records.map((it) => it.text)
  expect(await texts(0)).toEqual(['first', 'second'])
  expect(await texts(arrival)).toEqual(['first', 'second'])
  expect(await texts(arrival + 1)).toEqual(['second'])
  clock.millis = Date.now() + 60_000
  expect(await texts(clock.millis)).toEqual([])
  const error = await failure(at(clock.millis + 1))
  expect(error.code).toBe('INVALID_ARGUMENT')
  expect(error.message).toBe(
    'The timestampInMillis parameter cannot be greater than the currentTimestampInMillis. ' +
      `timestampInMillis: ${clock.millis + 1}, currentTimestampInMillis: ${clock.millis}`,
  )
})

async function firstArrival(broker: Broker): Promise<{ arrival: number }> {
  const { slice } = await get(broker, await shardIterator(broker, 'TRIM_HORIZON'))
  return { arrival: Number(new DataView(slice.buffer, slice.byteOffset).getBigUint64(30)) }
}

test('Kinesis 12: millisBehindLatest: the age of what was read, 0 only at the tip', async () => {
  const { broker, clock } = await makeBroker()
  await makeStream(broker, streamName)
  await putMany(broker, os, [textRecord('k', '1'), textRecord('k', '2')])
  const { arrival } = await firstArrival(broker)
  clock.millis = arrival + 5000
  const iterator = await shardIterator(broker, 'TRIM_HORIZON')
  const first = await get(broker, iterator, 1)
  expect(first.millisBehindLatest).toBe(5000)
  const second = await get(broker, first.nextShardIterator ?? '', 1)
  expect(second.millisBehindLatest).toBe(0)
  // A clock that is behind the one that stamped the records does not make a reader caught up.
  clock.millis = arrival - 1000
  const early = await shardIterator(broker, 'TRIM_HORIZON')
  expect((await get(broker, early, 1)).millisBehindLatest).toBe(1)
})

test('Kinesis 14: key and data count; a maximum per stream; answers of 10 MiB', async () => {
  const { broker } = await makeBroker({
    logOptions: { ...logOptions, segmentBytesMax: 16 * 2 ** 20 },
  })
  await makeStream(broker, streamName)
  await makeStream(broker, 'large', 1, { recordBytesMax: 10 * 2 ** 20 })
  const data = (bytes: number) => new Uint8Array(bytes)
  await put(broker, os, { key: 'k', data: data(recordBytesMaxDefault - 1) })
  const refused = await failure(put(broker, os, { key: 'k', data: data(recordBytesMaxDefault) }))
  expect(refused.code).toBe('RECORD_TOO_LARGE')
  // Three bytes of UTF-8 for one character.
  const wide = await failure(put(broker, os, { key: '€', data: data(recordBytesMaxDefault - 2) }))
  expect(wide.code).toBe('RECORD_TOO_LARGE')
  await put(broker, os, { key: '€'.repeat(256), data: data(0) })
  await put(broker, { ...os, streamName: 'large' }, { key: 'k', data: data(10 * 2 ** 20 - 1) })
  // Our encoder refuses this itself.
  const tooMany = Array.from({ length: 11 }, () => ['k', data(2 ** 20 - 1)])
  const frame = packMessage([putRecords.opcode, 1, streamName, null, tooMany, null, 0n, 0])
  expect((await failure(sendPut(broker, putRecords, frame))).code).toBe('INVALID_ARGUMENT')
  const full = Array.from({ length: 10 }, () => ({ key: 'k', data: data(2 ** 20 - 1) }))
  await putMany(broker, os, full)
  await putMany(broker, os, full)
  let next = await shardIterator(broker, 'TRIM_HORIZON')
  let count = 0
  while (count < 22) {
    const answer = await get(broker, next)
    const bytes = answer.records.reduce(
      (sum, it) => sum + (it.key ?? '').length + it.text.length,
      0,
    )
    expect(bytes).toBeLessThanOrEqual(getRecordsBytesMax)
    count += answer.recordCount
    next = answer.nextShardIterator ?? ''
  }
  expect(count).toBe(22)
})

test('sequence numbers: at, after, in between, and beyond the end', async () => {
  const { broker } = await makeBroker()
  await makeStream(broker, streamName)
  await putMany(
    broker,
    os,
    ['1', '2', '3'].map((it) => textRecord('k', it)),
  )
  const texts = async (type: IteratorType, startingSequenceNumber: bigint) => {
    const iterator = await shardIterator(broker, type, { startingSequenceNumber })
    return (await get(broker, iterator)).records.map((it) => it.text).join('')
  }
  expect(await texts('AT_SEQUENCE_NUMBER', 1n)).toBe('123')
  expect(await texts('AT_SEQUENCE_NUMBER', 3n)).toBe('3')
  expect(await texts('AFTER_SEQUENCE_NUMBER', 1n)).toBe('23')
  expect(await texts('AFTER_SEQUENCE_NUMBER', 3n)).toBe('')
  // The number of the next record may be waited for, one beyond it was never given.
  expect(await texts('AT_SEQUENCE_NUMBER', 4n)).toBe('')
  expect((await failure(texts('AFTER_SEQUENCE_NUMBER', 4n))).code).toBe('SEQUENCE_NUMBER_IN_FUTURE')
  expect((await failure(texts('AT_SEQUENCE_NUMBER', 5n))).code).toBe('SEQUENCE_NUMBER_IN_FUTURE')
})

test('records that were trimmed: every iterator goes on at the horizon', async () => {
  const made = await makeBroker()
  await makeStream(made.broker, streamName)
  for (const text of ['1', '2', '3', '4']) {
    await put(made.broker, { streamName }, textRecord('k', text))
  }
  const old = await shardIterator(made.broker, 'TRIM_HORIZON')
  const { shards } = await made.broker.call(describeStream, { streamName })
  await made.broker.close()
  const log = await openLog({ ...logOptions, dir: made.dir })
  await log.trim(shardId(shards[0]?.shardNumber ?? 0n), sequenceNumber(3n))
  await log.close()
  await made.reopen()
  const { broker } = made
  const texts = async (iterator: string) =>
    (await get(broker, iterator)).records.map((it) => it.text).join('')
  expect(await texts(old)).toBe('34')
  expect(await texts(await shardIterator(broker, 'TRIM_HORIZON'))).toBe('34')
  expect(await texts(await shardIterator(broker, 'AT_TIMESTAMP', { timestamp: 0 }))).toBe('34')
  for (const startingSequenceNumber of [1n, 2n]) {
    const from = { startingSequenceNumber }
    expect(await texts(await shardIterator(broker, 'AT_SEQUENCE_NUMBER', from))).toBe('34')
    expect(await texts(await shardIterator(broker, 'AFTER_SEQUENCE_NUMBER', from))).toBe('34')
  }
  const last = { startingSequenceNumber: 3n }
  expect(await texts(await shardIterator(broker, 'AFTER_SEQUENCE_NUMBER', last))).toBe('4')
})
