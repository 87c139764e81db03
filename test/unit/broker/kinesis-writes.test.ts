/**
 * The behaviours of Kinesis that emulators most often get wrong, by their numbers in the list of
 * twenty; here those of writes, with the rows of its table of back-pressure (4.4). The clock stands
 * still until it is moved.
 */

import { expect, test, vi } from 'vitest'
import type { Broker } from '../../../src/broker/broker.ts'
import { recordBytesMaxDefault } from '../../../src/limits.ts'
import { BatchBuilder } from '../../../src/wire/batch-builder.ts'
import { packMessage } from '../../../src/wire/codec.ts'
import { putRecords } from '../../../src/wire/operations.ts'
import type { PutResult } from '../../../src/wire/put-answer.ts'
import type { RecordToPut } from '../../../src/wire/put-builder.ts'
import { updateStreamMode } from '../../../src/wire/setting-operations.ts'
import {
  failure,
  makeBroker,
  makeStream,
  put,
  putMany,
  putSealed,
  readShard,
  sendPut,
  textRecord,
} from './harness.ts'

// Syncs take their time on a busy disk.
vi.setConfig({ testTimeout: 30_000 })

const streamName = 's'
const os = { streamName, durability: 'os' } as const
const mebibyte = 1024 * 1024
const shardId = 'shardId-000000000000'

async function makeLimited(
  rest: object = {},
): Promise<Awaited<ReturnType<typeof makeBroker>> & { pass(millis: number): void }> {
  let millis = 0
  const made = await makeBroker({ elapsed: () => millis })
  await makeStream(made.broker, streamName, 1, { streamMode: 'PROVISIONED', ...rest })
  const pass = (more: number) => {
    millis += more
  }
  return Object.assign(made, { pass })
}

/** Records whose key and data have so many bytes together. */
function sized(count: number, bytes: number) {
  return Array.from({ length: count }, () => ({ key: 'k', data: new Uint8Array(bytes - 1) }))
}

function takenOf(results: readonly PutResult[]): number {
  return results.filter((it) => 'sequenceNumber' in it).length
}

test('Kinesis 13: 4.4 row 1, the 1001st record of a second is refused alone', async () => {
  const { broker, pass } = await makeLimited()
  const one = () => sized(1, 1)
  expect(takenOf(await putMany(broker, os, sized(500, 1)))).toBe(500)
  pass(250)
  expect(takenOf(await putMany(broker, os, sized(499, 1)))).toBe(499)
  pass(250)
  expect(await putMany(broker, os, sized(2, 1))).toEqual([
    { shardId, sequenceNumber: 1000n },
    { shardId, errorCode: 'THROUGHPUT_EXCEEDED', retryAfterMs: 500 },
  ])
  // A single put answers the error itself, in the words of Kinesis.
  const record = textRecord('k', '')
  expect(await failure(put(broker, os, record))).toMatchObject({
    code: 'THROUGHPUT_EXCEEDED',
    message: `Rate exceeded for shard ${shardId} in stream s.`,
    retryable: true,
    retryAfterMs: 500,
  })
  pass(499)
  expect(takenOf(await putMany(broker, os, one()))).toBe(0)
  pass(1)
  expect(takenOf(await putMany(broker, os, one()))).toBe(1)
  const { streams } = await broker.stats()
  expect(streams[0]).toMatchObject({ appendRecords: 1001 })
  expect(streams[0]?.appendRefused).toEqual(new Map([['THROUGHPUT_EXCEEDED', 3]]))
})

test('Kinesis 13: 4.4 row 1, wherever the second begins: no border of two has room', async () => {
  const { broker, pass } = await makeLimited()
  const take = async (count: number) => takenOf(await putMany(broker, os, sized(count, 1)))
  expect(await take(1)).toBe(1)
  pass(999)
  expect([await take(500), await take(500)]).toEqual([500, 499])
  pass(1)
  expect(await take(500)).toBe(1)
  pass(998)
  expect(await take(500)).toBe(0)
  pass(1)
  expect([await take(500), await take(500)]).toEqual([500, 499])
})

test('Kinesis 13: 4.4 row 2, a full tank takes 1 MiB and a byte within a second', async () => {
  const { broker, pass } = await makeLimited()
  expect(takenOf(await putMany(broker, os, [...sized(1, mebibyte), ...sized(1, 1)]))).toBe(2)
  expect(takenOf(await putMany(broker, os, sized(8, mebibyte)))).toBe(8)
  // 1 MiB but a byte is left of 10. Each record is paid for by itself.
  const results = await putMany(broker, os, sized(5, mebibyte - 1))
  expect(takenOf(results)).toBe(1)
  expect(results.slice(1)).toEqual(
    Array(4).fill({ shardId, errorCode: 'THROUGHPUT_EXCEEDED', retryAfterMs: 1000 }),
  )
  pass(1000)
  expect(takenOf(await putMany(broker, os, sized(5, mebibyte)))).toBe(1)
})

test('Kinesis 13: 4.4 row 2, of 2 MiB/s for more than 10 s about half is refused', async () => {
  const { broker, pass } = await makeLimited()
  const putFor = async (seconds: number) => {
    let taken = 0
    for (let i = 0; i < seconds * 8; i += 1) {
      pass(125)
      taken += takenOf(await putMany(broker, os, sized(16, mebibyte / 64)))
    }
    return taken / (seconds * 128)
  }
  // The tank is drained by 1 MiB/s.
  expect(await putFor(9)).toBe(1)
  await putFor(2)
  const share = await putFor(10)
  expect(share).toBeGreaterThan(0.48)
  expect(share).toBeLessThan(0.52)
})

test('Kinesis 13: a record of 10 MiB drains the tank, small ones go in as it refills', async () => {
  const { broker, pass } = await makeLimited({ recordBytesMax: 10 * mebibyte })
  expect(takenOf(await putMany(broker, os, sized(1, 10 * mebibyte)))).toBe(1)
  expect(takenOf(await putMany(broker, os, sized(1, 1)))).toBe(0)
  pass(100)
  expect(takenOf(await putMany(broker, os, sized(20, 10_000)))).toBe(10)
  // A later record may be taken where an earlier one is not.
  const mixed = [...sized(1, mebibyte), ...sized(1, 100), ...sized(1, mebibyte), ...sized(1, 100)]
  const results = await putMany(broker, os, mixed)
  expect(results.map((it) => 'sequenceNumber' in it)).toEqual([false, true, false, true])
})

test('Kinesis 13: limits are of each shard of PROVISIONED streams, restarts included', async () => {
  const { broker } = await makeLimited({ shardCount: 2 })
  await makeStream(broker, 'free', 1, { streamMode: 'ON_DEMAND' })
  const free = { streamName: 'free', durability: 'os' } as const
  for (let i = 0; i < 3; i += 1) {
    expect(takenOf(await putMany(broker, free, sized(500, 1)))).toBe(500)
    expect(takenOf(await putMany(broker, free, sized(8, mebibyte)))).toBe(8)
  }
  const made = await makeLimited({ shardCount: 2 })
  await made.reopen()
  const to = (explicitHashKey: bigint) =>
    sized(500, 1).map((record) => ({ ...record, explicitHashKey }))
  for (const key of [0n, 2n ** 128n - 1n]) {
    const taken = [1, 2, 3].map(async () => takenOf(await putMany(made.broker, os, to(key))))
    expect(await Promise.all(taken)).toEqual([500, 500, 0])
  }
})

test('Kinesis 14: 4.4 row 4, a key of 256 characters of three bytes counts 768 bytes', async () => {
  const { broker } = await makeLimited()
  expect(takenOf(await putMany(broker, os, sized(9, mebibyte)))).toBe(9)
  const room = mebibyte - 1000
  const key = '\u20ac'.repeat(256)
  const wide = { key, data: new Uint8Array(232), explicitHashKey: 2n ** 128n - 1n }
  expect(takenOf(await putMany(broker, os, [wide, ...sized(1, room)]))).toBe(2)
  expect(takenOf(await putMany(broker, os, sized(1, 1)))).toBe(0)
})

test('Kinesis 14: 4.4 row 5, data of exactly the maximum and a key are refused', async () => {
  const { broker } = await makeLimited()
  const record = { key: 'k', data: new Uint8Array(recordBytesMaxDefault) }
  expect((await failure(putMany(broker, os, [record]))).code).toBe('RECORD_TOO_LARGE')
  expect(takenOf(await putMany(broker, os, sized(1, recordBytesMaxDefault)))).toBe(1)
})

test('Kinesis 13: 4.4 row 3, ON_DEMAND spreads records without a key, and shows none', async () => {
  const { broker } = await makeBroker()
  const shardCount = 4
  const free = { streamName: 'free', durability: 'os' } as const
  await makeStream(broker, free.streamName, shardCount, { streamMode: 'ON_DEMAND' })
  const keyless = (text: string) => ({ data: new TextEncoder().encode(text) })
  for (let i = 0; i < 40; i += 1) {
    const results = await putMany(broker, free, [keyless(`${i}a`), keyless(`${i}b`)])
    // A request of them is one batch.
    expect(new Set(results.map((it) => it.shardId)).size).toBe(1)
    await put(broker, free, keyless(`${i}c`))
  }
  const shards = await Promise.all(
    Array.from({ length: shardCount }, (_, i) => readShard(broker, free.streamName, String(i))),
  )
  for (const records of shards) {
    expect(records.length).toBeGreaterThanOrEqual(24)
    expect(records.length).toBeLessThanOrEqual(36)
    expect(records.every((it) => it.key === undefined)).toBe(true)
  }
  const wanted = Array.from({ length: 40 }, (_, i) => [`${i}a`, `${i}b`, `${i}c`]).flat()
  expect(shards.flatMap((it) => it.map(({ text }) => text)).sort()).toEqual(wanted.sort())
})

test('a repeat without a key is answered when its stream is PROVISIONED by now', async () => {
  const { broker } = await makeBroker()
  await makeStream(broker, 'free', 3, { streamMode: 'ON_DEMAND' })
  const by = (id: bigint, sequence: number) => ({
    ...{ streamName: 'free', durability: 'os' as const },
    producer: { producerId: id, producerSequence: sequence },
  })
  const keyless = (text: string) => ({ data: new TextEncoder().encode(text) })
  const builder = new BatchBuilder()
  builder.add(undefined, new Uint8Array(1))
  const batch = { shardIndex: 1, count: 1, records: builder.bytes.slice() }
  const puts = (sequence: number) => [
    () => putMany(broker, by(5n, sequence), [textRecord('k', 'a'), keyless('b')]),
    () => put(broker, by(6n, sequence), keyless('c')),
    () => putSealed(broker, by(7n, sequence), batch),
  ]
  const all = async (sequence: number) => {
    const answers: unknown[] = []
    for (const send of puts(sequence)) answers.push(await send())
    return answers
  }
  const first = await all(1)
  await broker.call(updateStreamMode, { streamName: 'free', streamMode: 'PROVISIONED' })
  const count = async () => {
    const shards = ['0', '1', '2'].map((it) => readShard(broker, 'free', it))
    return (await Promise.all(shards)).flat().length
  }
  // A batch says of itself that it is one.
  const told = [...first.slice(0, 2), { ...(first[2] as object), duplicate: true }]
  expect(await all(1)).toEqual(told)
  for (const send of puts(2)) {
    expect(await failure(send())).toMatchObject({
      code: 'INVALID_ARGUMENT',
      message: expect.stringContaining('has no partition key'),
    })
  }
  expect(await count()).toBe(4)
})

test('Kinesis 13: 4.4 row 3, PROVISIONED asks for a key; none may be empty', async () => {
  const { broker } = await makeLimited()
  await makeStream(broker, 'free', 1, { streamMode: 'ON_DEMAND' })
  for (const name of [streamName, 'free']) {
    const frame = packMessage([0x21, 1, name, 'os', [['', new Uint8Array(1)]], null, 0, 0])
    expect((await failure(sendPut(broker, putRecords, frame))).code).toBe('INVALID_ARGUMENT')
  }
  const keyless = { data: new Uint8Array(1) }
  const missing = {
    code: 'INVALID_ARGUMENT',
    message: expect.stringMatching(
      /^record 1: it has no partition key, .* PROVISIONED .* or set the stream to ON_DEMAND$/,
    ),
  }
  const [keyed] = sized(1, 2)
  expect(await failure(putMany(broker, os, [keyed as RecordToPut, keyless]))).toMatchObject(missing)
  expect((await failure(put(broker, os, keyless))).message).toMatch(/^record 0: it has no/)
  const builder = new BatchBuilder()
  builder.add('k', new Uint8Array(1))
  builder.add(undefined, new Uint8Array(1))
  const batch = { shardIndex: 0, count: 2, records: builder.bytes }
  expect(await failure(putSealed(broker, os, batch))).toMatchObject(missing)
  expect(await readShard(broker, streamName, '0')).toEqual([])
  await putSealed(broker, { ...os, streamName: 'free' }, batch)
  const free = await readShard(broker, 'free', '0')
  expect(free.map((it) => it.key)).toEqual(['k', undefined])
})

test('repeats of an idempotent producer are neither paid for nor refused', async () => {
  const { broker, pass } = await makeLimited()
  const by = (producerSequence: number) => ({
    ...os,
    producer: { producerId: 7n, producerSequence },
  })
  const records = Array.from({ length: 400 }, (_, i) => textRecord('k', String(i)))
  const first = await putMany(broker, by(1), records)
  for (let i = 0; i < 3; i += 1) expect(await putMany(broker, by(1), records)).toEqual(first)
  expect(takenOf(await putMany(broker, by(2), records))).toBe(400)
  const cut = await putMany(broker, by(3), records)
  expect(cut.map((it) => 'sequenceNumber' in it)).toEqual(records.map((_, i) => i < 200))
  pass(60_000)
  const isCut = (it: PutResult) => 'errorCode' in it && it.errorCode === 'THROUGHPUT_EXCEEDED'
  const again = await putMany(broker, by(3), records)
  expect(again.slice(0, 200)).toEqual(cut.slice(0, 200))
  expect(again.slice(200).every(isCut)).toBe(true)
  expect(takenOf(await putMany(broker, by(4), records.slice(200)))).toBe(200)
  const texts = records.map(({ data }) => new TextDecoder().decode(data))
  const stored = await readShard(broker, streamName, '0')
  expect(stored.map((it) => it.text)).toEqual([...texts, ...texts, ...texts])
})

test('a sealed batch is taken or refused as a whole', async () => {
  const { broker, pass } = await makeLimited()
  const batchOf = (count: number) => {
    const builder = new BatchBuilder()
    for (let i = 0; i < count; i += 1) builder.add('k', new Uint8Array(9))
    return { shardIndex: 0, count, records: builder.bytes.slice() }
  }
  const by = (broker: Broker, producerSequence: number, count: number) =>
    putSealed(broker, { ...os, producer: { producerId: 9n, producerSequence } }, batchOf(count))
  const first = await by(broker, 1, 600)
  expect(await failure(by(broker, 2, 600))).toMatchObject({
    code: 'THROUGHPUT_EXCEEDED',
    message: `Rate exceeded for shard ${shardId} in stream s.`,
    retryAfterMs: 1000,
  })
  expect(await by(broker, 1, 600)).toEqual({ ...first, duplicate: true })
  expect(await by(broker, 2, 400)).toMatchObject({ duplicate: false, firstSequenceNumber: 601n })
  // More than a second allows is paid for afterwards.
  pass(1000)
  await by(broker, 3, 2500)
  expect(await failure(by(broker, 4, 1))).toMatchObject({ retryAfterMs: 3000 })
  pass(2999)
  expect((await failure(by(broker, 4, 1))).code).toBe('THROUGHPUT_EXCEEDED')
  pass(1)
  await by(broker, 4, 1)
})
