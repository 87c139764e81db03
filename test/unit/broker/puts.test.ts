/** Puts that are refused in part, repeated, or fail; over a log that is told what to answer. */

import { expect, test, vi } from 'vitest'
import { Broker } from '../../../src/broker/broker.ts'
import { MillraceError } from '../../../src/errors.ts'
import type { Log } from '../../../src/log/log.ts'
import { openLog } from '../../../src/log/native-log.ts'
import { BatchBuilder } from '../../../src/wire/batch-builder.ts'
import { packMessage } from '../../../src/wire/codec.ts'
import { decodeBrokerFrame } from '../../../src/wire/frame.ts'
import {
  createStream,
  deleteStream,
  getRecords,
  putBatch,
  putRecords,
} from '../../../src/wire/operations.ts'
import { putResults } from '../../../src/wire/put-answer.ts'
import { encodePutBatch, encodePutRecord, encodePutRecords } from '../../../src/wire/put-builder.ts'
import {
  failure,
  iteratorOf,
  logOptions,
  makeBroker,
  makeStream,
  put,
  putMany,
  putSealed,
  readShard,
  sendPut,
  temporaryDirectory,
  textRecord,
  untilActive,
  untilGone,
} from './harness.ts'

// Syncs take their time on a busy disk.
vi.setConfig({ testTimeout: 30_000 })

const streamName = 's'
const os = { streamName, durability: 'os' } as const
const top = 2n ** 128n - 1n

test('shards refuse their records alone, each under its code', async () => {
  const made = await makeBroker()
  await makeStream(made.broker, streamName, 3)
  await made.broker.close()
  const log = await openLog({ ...logOptions, dir: made.dir })
  const [, , middle] = await log.listShards()
  if (middle !== undefined) await log.sealShards([middle])
  await log.close()
  await made.reopen()
  const { broker } = made
  const records = [0n, top / 2n, top, top / 2n].map((explicitHashKey, i) => ({
    ...textRecord('k', String(i)),
    explicitHashKey,
  }))
  const frame = encodePutRecords(1, os, records)
  const answer = await sendPut(broker, putRecords, frame)
  expect(answer.outcome.failedCount).toBe(2)
  expect(putResults(answer)).toMatchObject([
    { shardId: 'shardId-000000000000', sequenceNumber: 1n },
    { errorCode: 'SHARD_CLOSED' },
    { shardId: 'shardId-000000000002', sequenceNumber: 1n },
    { errorCode: 'SHARD_CLOSED' },
  ])
  const single = { ...textRecord('k', ''), explicitHashKey: top / 2n }
  expect((await failure(put(broker, os, single))).code).toBe('SHARD_CLOSED')
  const { streams } = await broker.stats()
  expect(streams[0]).toMatchObject({ streamName, appendRecords: 2 })
  expect(streams[0]?.appendRefused).toEqual(new Map([['SHARD_CLOSED', 3]]))
})

test('an idempotent repeat gets the first answer, also after a restart; a batch too', async () => {
  const made = await makeBroker()
  await makeStream(made.broker, streamName, 2)
  const records = ['a', 'b', 'e', 'f'].map((key) => textRecord(key, key))
  const by = (producerSequence: number) => ({ producerId: 7n, producerSequence })
  const to = (sequence: number) => ({ ...os, producer: by(sequence) })
  const first = await putMany(made.broker, to(1), records)
  const builder = new BatchBuilder()
  builder.add('k', new Uint8Array(3))
  const batch = { shardIndex: 1, count: 1, records: builder.bytes }
  const sealedBy = { ...os, producer: { producerId: 8n, producerSequence: 1 } }
  const sealed = await putSealed(made.broker, sealedBy, batch)
  expect(sealed).toMatchObject({ duplicate: false })
  for (const isReopened of [false, true]) {
    if (isReopened) await made.reopen()
    expect(await putMany(made.broker, to(1), records)).toEqual(first)
    expect(await putSealed(made.broker, sealedBy, batch)).toMatchObject({
      firstSequenceNumber: sealed.firstSequenceNumber,
      duplicate: true,
    })
  }
  // Requests that do not reach a shard leave gaps there, which are no gaps of the producer.
  const skipping = { ...textRecord('k', 'x'), explicitHashKey: 0n }
  await put(made.broker, to(2), skipping)
  await putMany(made.broker, to(3), records)
  const gap = { ...os, producer: { producerId: 8n, producerSequence: 5 } }
  expect((await failure(putSealed(made.broker, gap, batch))).code).toBe('PRODUCER_SEQUENCE_GAP')
  const kept = (await readShard(made.broker, streamName, '0')).map((it) => it.text)
  const expected = records.filter((_, i) => first[i]?.shardId.at(-1) === '0').map((it) => it.key)
  expect(kept).toEqual([...expected, 'x', ...expected])
})

test.each(['disk', 'os', undefined] as const)(
  'a broker that promises no more says so in every answer; asked for: %s',
  async (durability) => {
    const { broker } = await makeBroker({ durabilityMax: 'os' })
    await makeStream(broker, streamName)
    const to = durability === undefined ? { streamName } : { streamName, durability }
    const producer = { producerId: 7n, producerSequence: 1 }
    const record = textRecord('k', 'x')
    const builder = new BatchBuilder()
    builder.add('k', new Uint8Array(3))
    const batch = { shardIndex: 0, count: 1, records: builder.bytes }
    const by = { producerId: 8n, producerSequence: 1 }
    const putAll = async () => [
      await put(broker, to, record),
      await sendPut(broker, putRecords, encodePutRecords(1, to, [record], by)),
      await putSealed(broker, { ...to, producer }, batch),
    ]
    const first = await putAll()
    // Then two are repeats of what is on disk.
    await broker.flush()
    const again = await putAll()
    expect([...first, ...again].map((it) => it.durability)).toEqual(Array(6).fill('os'))
    expect(again.at(-1)).toMatchObject({ duplicate: true })
    for (const frame of [
      encodePutRecord(1, to, record),
      encodePutBatch(1, to, { shardIndex: 0, count: 1, records: builder.bytes }),
    ]) {
      const answer = vi.fn()
      broker.put(frame, answer)
      // It does not wait for a sync that nobody is promised.
      expect(answer).toHaveBeenCalledOnce()
    }
  },
)

test('what cannot be put is answered, and the next put works', async () => {
  const { broker } = await makeBroker()
  await makeStream(broker, streamName)
  const body = (...values: unknown[]) =>
    packMessage([putRecords.opcode, 1, streamName, null, ...values])
  const refused: [Uint8Array, string][] = [
    [
      body(
        [
          ['k', new Uint8Array(1)],
          ['', new Uint8Array(1)],
        ],
        null,
        0n,
        0,
      ),
      'INVALID_ARGUMENT',
    ],
    [body([['k', 'text']], null, 0n, 0), 'PROTOCOL_VIOLATION'],
    [body([['k', new Uint8Array(1)]], [new Uint8Array(15)], 0n, 0), 'PROTOCOL_VIOLATION'],
    [body([['k', new Uint8Array(1)]], null, 0n, 2 ** 33), 'PROTOCOL_VIOLATION'],
    [body([], null, 0n, 0), 'INVALID_ARGUMENT'],
  ]
  for (const [frame, code] of refused) {
    expect((await failure(sendPut(broker, putRecords, frame))).code).toBe(code)
  }
  const sealed = (shardIndex: number, count: number, records: Uint8Array, codec = 0) =>
    sendPut(broker, putBatch, encodePutBatch(1, os, { shardIndex, count, records, codec }))
  const builder = new BatchBuilder()
  builder.add('k', new Uint8Array(3))
  expect((await failure(sealed(1, 1, builder.bytes))).code).toBe('SHARD_NOT_FOUND')
  expect((await failure(sealed(0, 2, builder.bytes))).code).toBe('PROTOCOL_VIOLATION')
  expect((await failure(sealed(0, 1, builder.bytes, 3))).message).toContain('codec is 3')
  expect(await readShard(broker, streamName, '0')).toEqual([])
  expect(await sealed(0, 1, builder.bytes)).toMatchObject({ firstSequenceNumber: 1n })
  expect(() => broker.put(new Uint8Array([0x98, 0x21, 0xc0]), () => undefined)).toThrow(
    expect.objectContaining({ code: 'PROTOCOL_VIOLATION' } as MillraceError),
  )
})

test('answers of a shard keep the order of the puts, whatever their durability', async () => {
  const { broker } = await makeBroker()
  await makeStream(broker, streamName)
  const order: number[] = []
  const count = 200
  await new Promise<void>((resolve) => {
    for (let id = 0; id < count; id += 1) {
      const durability = id % 3 === 0 ? 'disk' : 'os'
      const frame = encodePutRecord(id, { streamName, durability }, textRecord('k', String(id)))
      broker.put(frame, (answer) => {
        const decoded = decodeBrokerFrame(answer)
        if (decoded.kind === 'answer') order.push(decoded.requestId)
        if (order.length === count) resolve()
      })
    }
  })
  expect(order).toEqual(Array.from({ length: count }, (_, id) => id))
})

/** A log whose puts can be made to fail. */
function failing(log: Log): { log: Log; fail: { with: MillraceError | undefined } } {
  const fail: { with: MillraceError | undefined } = { with: undefined }
  const handler: ProxyHandler<Log> = {
    get(target, name) {
      const value = Reflect.get(target, name) as unknown
      if (name === 'putRecordsThen' || name === 'appendThen') {
        return (...call: Parameters<Log['putRecordsThen']>) => {
          if (fail.with !== undefined) call[3].failed(fail.with)
          else (value as Log['putRecordsThen']).apply(target, call)
        }
      }
      return typeof value === 'function' ? value.bind(target) : value
    },
  }
  return { log: new Proxy(log, handler), fail }
}

test('a failed log is reported once, and every put says so', async () => {
  const opened = await openLog({ ...logOptions, dir: `${temporaryDirectory()}/data` })
  const { log, fail } = failing(opened)
  await using broker = await Broker.over(log)
  await broker.call(createStream, { streamName, shardCount: 1 })
  await untilActive(broker, streamName)
  await put(broker, os, textRecord('k', ''))
  let reported = 0
  broker.failed.then(() => {
    reported += 1
  }, expect.unreachable)
  fail.with = new MillraceError('DISK_FULL')
  expect((await failure(put(broker, os, textRecord('k', '')))).code).toBe('DISK_FULL')
  expect(reported).toBe(0)
  fail.with = new MillraceError('LOG_FAILED', 'fdatasync: input/output error')
  for (let i = 0; i < 2; i += 1) {
    const error = await failure(put(broker, os, textRecord('k', '')))
    expect(error.message).toBe('fdatasync: input/output error')
  }
  expect((await broker.failed).message).toBe('fdatasync: input/output error')
  expect(reported).toBe(1)
  const [stats] = (await broker.stats()).streams
  expect(stats?.appendRefused).toEqual(
    new Map([
      ['DISK_FULL', 1],
      ['LOG_FAILED', 2],
    ]),
  )
})

test('counts are those of a stream, and begin anew with it', async () => {
  const { broker } = await makeBroker()
  await makeStream(broker, streamName)
  await putMany(broker, os, [textRecord('a', 'x'), textRecord('b', 'y')])
  await put(broker, os, textRecord('c', 'z'))
  await readShard(broker, streamName, '0')
  const [stats] = (await broker.stats()).streams
  expect(stats).toMatchObject({ appendRecords: 3, readRecords: 3, openShardCount: 1 })
  expect(stats?.appendBytes).toBeGreaterThan(3 * 5)
  expect(stats?.readBytes).toBeGreaterThan(3 * 5)
  await broker.call(deleteStream, { streamName })
  await untilGone(broker, streamName)
  await makeStream(broker, streamName)
  expect((await broker.stats()).streams).toMatchObject([{ appendRecords: 0, readRecords: 0 }])
})

test('what is refused before its stream is looked at is counted, too', async () => {
  const { broker } = await makeBroker()
  await makeStream(broker, streamName)
  const record = textRecord('k', 'x')
  const code = async (to: object) => {
    const target = { ...os, ...to }
    return (await failure(put(broker, target, record))).code
  }
  expect(await code({ durability: 'paper' })).toBe('INVALID_ARGUMENT')
  expect(await code({ streamName: 'none' })).toBe('STREAM_NOT_FOUND')
  expect(await code({ streamName: 'none' })).toBe('STREAM_NOT_FOUND')
  expect(await code({ streamName: 'none', durability: 'paper' })).toBe('INVALID_ARGUMENT')
  const { streams, strayRefused } = await broker.stats()
  expect(streams[0]?.appendRefused).toEqual(new Map([['INVALID_ARGUMENT', 1]]))
  expect(Object.fromEntries(strayRefused)).toEqual({ STREAM_NOT_FOUND: 2, INVALID_ARGUMENT: 1 })
})

test('a broker that is closed refuses, and what was put before is acknowledged', async () => {
  const { broker } = await makeBroker()
  await makeStream(broker, streamName)
  const pending = Array.from({ length: 20 }, (_, i) =>
    put(broker, { streamName }, textRecord('k', String(i))),
  )
  const iterator = await iteratorOf(broker, {
    streamName,
    shardId: '0',
    shardIteratorType: 'TRIM_HORIZON',
  })
  const closing = broker.close()
  expect((await failure(put(broker, os, textRecord('k', '')))).code).toBe('SERVER_CLOSING')
  const call = broker.call(getRecords, { shardIterator: iterator })
  expect((await failure(call)).code).toBe('SERVER_CLOSING')
  const answers = await Promise.all(pending)
  expect(answers.map((it) => it.durability)).toEqual(answers.map(() => 'disk'))
  await closing
})
