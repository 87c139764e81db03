/** Brokers in temporary directories, and what tests ask of them. */

import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, onTestFinished } from 'vitest'
import { Broker, type BrokerOptions } from '../../../src/broker/broker.ts'
import type { MillraceError } from '../../../src/errors.ts'
import type { NativeLog } from '../../../src/log/native-log.ts'
import { openLog } from '../../../src/log/native-log.ts'
import { Streams } from '../../../src/stream/streams.ts'
import { decodeBrokerFrame, parseAnswer } from '../../../src/wire/frame.ts'
import {
  type AnswerOf,
  createStream,
  describeStreamSummary,
  getRecords,
  getShardIterator,
  type Operation,
  putBatch,
  putRecord,
  putRecords,
  type RequestOf,
} from '../../../src/wire/operations.ts'
import { type PutResult, putResults } from '../../../src/wire/put-answer.ts'
import {
  encodePutBatch,
  encodePutRecord,
  encodePutRecords,
  type PutProducer,
  type RecordToPut,
} from '../../../src/wire/put-builder.ts'
import { RecordWindow } from '../../../src/wire/record-window.ts'

/** Small segments, and no share of the disk that has to stay free. */
export const logOptions = {
  segmentBytesMin: 64 * 1024,
  segmentBytesMax: 64 * 1024,
  diskLowWaterBytes: 1,
}

/** A directory that is gone after the test. */
export function temporaryDirectory(): string {
  const directory = mkdtempSync(join(tmpdir(), 'millrace-broker-'))
  onTestFinished(() => rmSync(directory, { recursive: true, force: true }))
  return directory
}

/** A clock that stands still, at the present, until it is moved. */
export class FakeClock {
  millis: number = Date.now()
  readonly now = (): number => this.millis
}

export interface TestBroker {
  broker: Broker
  readonly dir: string
  readonly clock: FakeClock
  reopen(): Promise<void>
}

export async function makeBroker(options: Partial<BrokerOptions> = {}): Promise<TestBroker> {
  const dir = options.dir ?? join(temporaryDirectory(), 'data')
  const clock = new FakeClock()
  const open = () => Broker.open({ logOptions, now: clock.now, ...options, dir })
  const made: TestBroker = {
    broker: await open(),
    dir,
    clock,
    async reopen() {
      await made.broker.close()
      made.broker = await open()
    },
  }
  onTestFinished(() => made.broker.close())
  return made
}

/** Creates a stream, and waits until it is ACTIVE. */
export async function makeStream(
  broker: Broker,
  streamName: string,
  shardCount = 1,
  rest: Omit<RequestOf<typeof createStream>, 'streamName' | 'shardCount'> = {},
): Promise<void> {
  await broker.call(createStream, { streamName, shardCount, ...rest })
  await untilActive(broker, streamName)
}

export async function untilActive(broker: Broker, streamName: string): Promise<void> {
  const status = async () => (await broker.call(describeStreamSummary, { streamName })).streamStatus
  await expect.poll(status, { interval: 2, timeout: 10_000 }).toBe('ACTIVE')
}

/** Waits until the name is free again. */
export async function untilGone(broker: Broker, streamName: string): Promise<void> {
  const isGone = () =>
    broker.call(describeStreamSummary, { streamName }).then(
      () => false,
      (error: MillraceError) => error.code === 'STREAM_NOT_FOUND',
    )
  await expect.poll(isGone, { interval: 2, timeout: 10_000 }).toBe(true)
}

/** Sends a frame of a put; rejects with the error of an error answer. */
export async function sendPut<Op extends Operation>(
  broker: Broker,
  operation: Op,
  frame: Uint8Array,
): Promise<AnswerOf<Op>> {
  const answer = await new Promise<Uint8Array>((resolve) => broker.put(frame, resolve))
  const decoded = decodeBrokerFrame(answer)
  if (decoded.kind === 'error') throw decoded.error
  if (decoded.kind !== 'answer') throw new Error(`a put was answered by ${decoded.kind}`)
  return parseAnswer(operation, decoded.values)
}

export interface PutTo {
  readonly streamName: string
  readonly durability?: 'disk' | 'os'
  readonly producer?: PutProducer
}

let requestId = 0

export function put(
  broker: Broker,
  { producer, ...target }: PutTo,
  record: RecordToPut,
): Promise<AnswerOf<typeof putRecord>> {
  requestId += 1
  return sendPut(broker, putRecord, encodePutRecord(requestId, target, record, producer))
}

export async function putMany(
  broker: Broker,
  { producer, ...target }: PutTo,
  records: readonly RecordToPut[],
): Promise<PutResult[]> {
  requestId += 1
  const frame = encodePutRecords(requestId, target, records, producer)
  return putResults(await sendPut(broker, putRecords, frame))
}

export function putSealed(
  broker: Broker,
  { producer, ...target }: PutTo,
  batch: { readonly shardIndex: number; readonly count: number; readonly records: Uint8Array },
): Promise<AnswerOf<typeof putBatch>> {
  requestId += 1
  return sendPut(broker, putBatch, encodePutBatch(requestId, target, batch, producer))
}

/** A record with a text as its data. */
export function textRecord(key: string, text: string): RecordToPut {
  return { key, data: new TextEncoder().encode(text) }
}

export async function iteratorOf(
  broker: Broker,
  request: RequestOf<typeof getShardIterator>,
): Promise<string> {
  return (await broker.call(getShardIterator, request)).shardIterator
}

export interface ReadRecord {
  readonly sequenceNumber: bigint
  readonly key: string | undefined
  readonly text: string
}

/** One GetRecords call, its records decoded. */
export async function get(
  broker: Broker,
  shardIterator: string,
  limit?: number,
): Promise<AnswerOf<typeof getRecords> & { readonly records: ReadRecord[] }> {
  const request = { shardIterator, ...(limit === undefined ? {} : { limit }) }
  const answer = await broker.call(getRecords, request)
  const { slice, firstSequenceNumber, recordCount } = answer
  const window = new RecordWindow({ slice, firstSequenceNumber, recordCount })
  const records = Array.from(window, (record) => ({
    sequenceNumber: record.sequenceNumber,
    key: record.partitionKey,
    text: new TextDecoder().decode(record.data),
  }))
  expect(records.length).toBe(recordCount)
  return { ...answer, records }
}

/** Everything that is in a shard, from the horizon, `limit` records at a time. */
export async function readShard(
  broker: Broker,
  streamName: string,
  shardId: string,
  limit?: number,
): Promise<ReadRecord[]> {
  const records: ReadRecord[] = []
  let next: string | undefined = await iteratorOf(broker, {
    streamName,
    shardId,
    shardIteratorType: 'TRIM_HORIZON',
  })
  for (;;) {
    const answer: Awaited<ReturnType<typeof get>> = await get(broker, next, limit)
    records.push(...answer.records)
    next = answer.nextShardIterator
    if (next === undefined || answer.millisBehindLatest === 0) return records
  }
}

/** The streams of a directory without a broker over them, for tests that prepare its shards. */
export async function openStreams(dir: string): Promise<{ log: NativeLog; streams: Streams }> {
  const log = await openLog({ ...logOptions, dir })
  const streams = await Streams.open(log, {
    now: Date.now,
    onServing: () => undefined,
    onError: (error) => {
      throw error
    },
  })
  return { log, streams }
}

export function failure(promise: Promise<unknown>): Promise<MillraceError> {
  return promise.then(
    () => {
      throw new Error('the call worked')
    },
    (error: MillraceError) => error,
  )
}
