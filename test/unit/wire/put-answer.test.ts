import { decode, encode } from '@msgpack/msgpack'
import { describe, expect, it } from 'vitest'
import { decodeBrokerFrame, parseAnswer } from '../../../src/wire/frame.ts'
import {
  type AnswerOf,
  type Operation,
  putBatch,
  putRecord,
  putRecords,
} from '../../../src/wire/operations.ts'
import {
  encodePutBatchAnswer,
  encodePutRecordAnswer,
  encodePutRecordsAnswer,
  putResults,
} from '../../../src/wire/put-answer.ts'

function parse<Op extends Operation>(operation: Op, bytes: Uint8Array): AnswerOf<Op> {
  const frame = decodeBrokerFrame(bytes)
  if (frame.kind !== 'answer') throw new Error(`it is ${frame.kind}`)
  expect(frame.opcode).toBe(operation.opcode)
  return parseAnswer(operation, frame.values)
}

type Row = [shard: bigint, first: bigint, count: number, code: string | null]

/** As native/ingest/put_records.h describes it. */
function nativeAnswer(shards: Row[], ordinals: number[], failed = 0): Uint8Array {
  return encode([shards, Uint8Array.from(ordinals), failed], { useBigInt64: true })
}

describe('answers of puts', () => {
  it('say of one record where it is', () => {
    const frame = encodePutRecordAnswer(70_000, 'disk', 'shardId-000000000007', 2n ** 63n + 1n)
    expect(decode(frame, { useBigInt64: true })).toEqual([
      0x20,
      70_000,
      null,
      'disk',
      'shardId-000000000007',
      2n ** 63n + 1n,
    ])
    expect(parse(putRecord, frame)).toEqual({
      durability: 'disk',
      shardId: 'shardId-000000000007',
      sequenceNumber: 2n ** 63n + 1n,
    })
  })

  it('say of a batch where it begins', () => {
    for (const duplicate of [false, true]) {
      const frame = encodePutBatchAnswer(1, 'os', 9n, duplicate)
      expect(parse(putBatch, frame)).toEqual({
        durability: 'os',
        firstSequenceNumber: 9n,
        duplicate,
      })
    }
  })

  it('say of each of many records where it is or why it is not', () => {
    const native = nativeAnswer(
      [
        [11n, 2n ** 53n + 1n, 2, null],
        [12n, 0n, 1, 'SHARD_CLOSED'],
        [13n, 5n, 1, null],
      ],
      [0, 1, 0, 2],
      1,
    )
    const frame = encodePutRecordsAnswer(3, 'os', [0, 300, 70_000], native)
    const answer = parse(putRecords, frame)
    expect(answer.outcome.failedCount).toBe(1)
    expect(putResults(answer)).toEqual([
      { shardId: 'shardId-000000000000', sequenceNumber: 2n ** 53n + 1n },
      { shardId: 'shardId-000000000300', errorCode: 'SHARD_CLOSED' },
      { shardId: 'shardId-000000000000', sequenceNumber: 2n ** 53n + 2n },
      { shardId: 'shardId-000000070000', sequenceNumber: 5n },
    ])
  })

  it('have ordinals of two bytes where one is not enough', () => {
    const rows = Array.from({ length: 300 }, (_, i): Row => [BigInt(i + 1), 1n, 1, null])
    const ordinals = rows.flatMap((_, i) => [(299 - i) >> 8, (299 - i) & 0xff])
    const indexes = rows.map((_, i) => i)
    const frame = encodePutRecordsAnswer(3, 'disk', indexes, nativeAnswer(rows, ordinals))
    const results = putResults(parse(putRecords, frame))
    expect(results.length).toBe(300)
    expect(results[0]).toEqual({ shardId: 'shardId-000000000299', sequenceNumber: 1n })
    expect(results[299]).toEqual({ shardId: 'shardId-000000000000', sequenceNumber: 1n })
  })

  it('are refused when they do not fit together', () => {
    const rows: Row[] = [[1n, 1n, 1, null]]
    const results = (indexes: number[], native: Uint8Array) =>
      putResults(parse(putRecords, encodePutRecordsAnswer(1, 'disk', indexes, native)))
    expect(() => results([], nativeAnswer(rows, [0]))).toThrow(/0 indexes of 1 shards/)
    expect(() => results([0], nativeAnswer(rows, [1]))).toThrow(/ordinal 1 of 1 shards/)
  })

  it('stay as they are when later ones are encoded', () => {
    const frames = Array.from({ length: 2000 }, (_, i) =>
      encodePutRecordAnswer(i, 'disk', 'shardId-000000000001', BigInt(i)),
    )
    frames.forEach((frame, i) => {
      expect(decode(frame)).toEqual([0x20, i, null, 'disk', 'shardId-000000000001', i])
    })
  })
})
