/** The answers of the put operations. */

import { type ErrorCode, errorTable, MillraceError } from '../errors.ts'
import { placeFrame } from './frame-memory.ts'
import {
  headerBytesMax,
  messageTypes,
  uint64Bytes,
  writeArrayHeader,
  writeAscii,
  writeUint,
  writeUint64,
} from './message-bytes.ts'
import type { SequenceNumber } from './numbers.ts'
import { type AnswerOf, type Durability, putBatch, putRecord, putRecords } from './operations.ts'
import { shardIdText } from './shard-id-text.ts'

const answerArray = messageTypes.fixArray | 6

/** Opcode, request id, nil for "worked", durability. */
function writeHead(
  memory: Uint8Array,
  start: number,
  opcode: number,
  requestId: number,
  durability: Durability,
): number {
  memory[start] = answerArray
  memory[start + 1] = opcode
  const at = writeUint(memory, start + 2, requestId)
  memory[at] = messageTypes.nil
  return writeAscii(memory, at + 1, durability)
}

const headBytesMax = 3 + 2 * headerBytesMax + 8

export function encodePutRecordAnswer(
  requestId: number,
  durability: Durability,
  shardId: string,
  sequenceNumber: bigint,
): Uint8Array<ArrayBuffer> {
  const bytesMax = headBytesMax + headerBytesMax + shardId.length + uint64Bytes
  const { memory, start } = placeFrame(bytesMax)
  let at = writeHead(memory, start, putRecord.opcode, requestId, durability)
  at = writeAscii(memory, at, shardId)
  return memory.subarray(start, writeUint64(memory, at, sequenceNumber))
}

/**
 * `nativeAnswer` is what `Log.putRecords` answers, which goes out as it is; `shardIndexes` has for
 * each of its shards, in their order, the index of the shard within its stream.
 */
export function encodePutRecordsAnswer(
  requestId: number,
  durability: Durability,
  shardIndexes: readonly number[],
  nativeAnswer: Uint8Array,
): Uint8Array<ArrayBuffer> {
  const indexesBytesMax = headerBytesMax + shardIndexes.length * headerBytesMax
  const { memory, start } = placeFrame(headBytesMax + indexesBytesMax + nativeAnswer.length)
  let at = writeHead(memory, start, putRecords.opcode, requestId, durability)
  at = writeArrayHeader(memory, at, shardIndexes.length)
  for (const index of shardIndexes) at = writeUint(memory, at, index)
  memory.set(nativeAnswer, at)
  return memory.subarray(start, at + nativeAnswer.length)
}

export function encodePutBatchAnswer(
  requestId: number,
  durability: Durability,
  firstSequenceNumber: bigint,
  duplicate: boolean,
): Uint8Array<ArrayBuffer> {
  const { memory, start } = placeFrame(headBytesMax + uint64Bytes + 1)
  let at = writeHead(memory, start, putBatch.opcode, requestId, durability)
  at = writeUint64(memory, at, firstSequenceNumber)
  memory[at] = duplicate ? messageTypes.true : messageTypes.false
  return memory.subarray(start, at + 1)
}

/** A record that its shard did not take. */
export interface RefusedPut {
  readonly shardId: string
  readonly errorCode: string
  /** How long to wait before the next try, where it is known. */
  readonly retryAfterMs?: number | undefined
}

/** Where a record went, or why it did not. */
export type PutResult =
  | { readonly shardId: string; readonly sequenceNumber: SequenceNumber }
  | RefusedPut

/**
 * The results of the records of a PutRecords request, in their order. Throws a MillraceError,
 * PROTOCOL_VIOLATION, for an answer that does not fit together.
 */
export function putResults(answer: AnswerOf<typeof putRecords>): PutResult[] {
  const { shardIndexes, outcome } = answer
  const { shards, ordinals } = outcome
  if (shardIndexes.length !== shards.length) {
    throw violation(`${shardIndexes.length} indexes of ${shards.length} shards`)
  }
  const isWide = shards.length > 256
  const ids = shardIndexes.map(shardIdText)
  const next = shards.map((it) => it.firstSequenceNumber)
  const results: PutResult[] = []
  for (let i = 0; i < ordinals.length; i += isWide ? 2 : 1) {
    const low = ordinals[isWide ? i + 1 : i] as number
    const ordinal = isWide ? (ordinals[i] as number) * 256 + low : low
    const shard = shards[ordinal]
    if (shard === undefined) throw violation(`ordinal ${ordinal} of ${shards.length} shards`)
    const shardId = ids[ordinal] as string
    if (shard.errorCode !== undefined) {
      const { errorCode, retryAfterMs } = shard
      results.push({ shardId, errorCode, ...(retryAfterMs !== undefined && { retryAfterMs }) })
    } else {
      const sequenceNumber = next[ordinal] as SequenceNumber
      next[ordinal] = sequenceNumber + 1n
      results.push({ shardId, sequenceNumber })
    }
  }
  return results
}

/** The error of a record that was refused. */
export function refusalOf(refused: RefusedPut, streamName: string): MillraceError {
  const { shardId, errorCode, retryAfterMs } = refused
  if (errorCode === 'THROUGHPUT_EXCEEDED') return rateExceeded(shardId, streamName, retryAfterMs)
  return Object.hasOwn(errorTable, errorCode)
    ? new MillraceError(errorCode as ErrorCode)
    : new MillraceError('INTERNAL', `the broker refused it with ${errorCode}`)
}

/** The error of what is beyond the limits of a shard, as Kinesis words it. */
export function rateExceeded(
  shardId: string,
  streamName: string,
  retryAfterMs: number | undefined,
): MillraceError {
  return new MillraceError(
    'THROUGHPUT_EXCEEDED',
    `Rate exceeded for shard ${shardId} in stream ${streamName}.`,
    { retryAfterMs },
  )
}

function violation(what: string): MillraceError {
  return new MillraceError('PROTOCOL_VIOLATION', `an answer of PutRecords has ${what}`)
}
