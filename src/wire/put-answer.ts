/** The answers of the put operations. */

import { MillraceError } from '../errors.ts'
import { allocateFrame } from './frame-memory.ts'
import {
  headerBytesMax,
  MessageReader,
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
  opcode: number,
  requestId: number,
  durability: Durability,
): number {
  memory[0] = answerArray
  memory[1] = opcode
  const at = writeUint(memory, 2, requestId)
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
  const memory = allocateFrame(headBytesMax + headerBytesMax + shardId.length + uint64Bytes)
  let at = writeHead(memory, putRecord.opcode, requestId, durability)
  at = writeAscii(memory, at, shardId)
  return memory.subarray(0, writeUint64(memory, at, sequenceNumber))
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
  const memory = allocateFrame(headBytesMax + indexesBytesMax + nativeAnswer.length)
  let at = writeHead(memory, putRecords.opcode, requestId, durability)
  at = writeArrayHeader(memory, at, shardIndexes.length)
  for (const index of shardIndexes) at = writeUint(memory, at, index)
  memory.set(nativeAnswer, at)
  return memory.subarray(0, at + nativeAnswer.length)
}

export function encodePutBatchAnswer(
  requestId: number,
  durability: Durability,
  firstSequenceNumber: bigint,
  duplicate: boolean,
): Uint8Array<ArrayBuffer> {
  const memory = allocateFrame(headBytesMax + uint64Bytes + 1)
  let at = writeHead(memory, putBatch.opcode, requestId, durability)
  at = writeUint64(memory, at, firstSequenceNumber)
  memory[at] = duplicate ? messageTypes.true : messageTypes.false
  return memory.subarray(0, at + 1)
}

/** What one shard did with its part of a request. */
export interface NativeAnswerRow {
  readonly shardNumber: bigint
  readonly firstSequenceNumber: bigint
  /** Records. */
  readonly count: number
  /** Why the shard refused them; undefined where it has them. */
  readonly errorCode: string | undefined
}

const decoder = new TextDecoder()

/** The shards of what `Log.putRecords` answers, in their order: for `shardIndexes`. */
export function readNativeAnswer(nativeAnswer: Uint8Array): NativeAnswerRow[] {
  const reader = new MessageReader(nativeAnswer, 0)
  reader.takeArrayHeader('an answer')
  const rows: NativeAnswerRow[] = []
  for (let left = reader.takeArrayHeader('shards'); left > 0; left -= 1) {
    reader.takeArrayHeader('a shard')
    const shardNumber = reader.takeUint64('its number')
    const firstSequenceNumber = reader.takeUint64('a sequence number')
    const count = reader.takeUint('a count')
    rows.push({ shardNumber, firstSequenceNumber, count, errorCode: takeCode(reader) })
  }
  return rows
}

function takeCode(reader: MessageReader): string | undefined {
  if (reader.takeNil()) return undefined
  const bytes = reader.takeStrHeader('nil or a code')
  reader.at += bytes
  return decoder.decode(reader.bytes.subarray(reader.at - bytes, reader.at))
}

/** Where a record went, or why it did not. */
export type PutResult =
  | { readonly shardId: string; readonly sequenceNumber: SequenceNumber }
  | { readonly shardId: string; readonly errorCode: string }

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
      results.push({ shardId, errorCode: shard.errorCode })
    } else {
      const sequenceNumber = next[ordinal] as SequenceNumber
      next[ordinal] = sequenceNumber + 1n
      results.push({ shardId, sequenceNumber })
    }
  }
  return results
}

function violation(what: string): MillraceError {
  return new MillraceError('PROTOCOL_VIOLATION', `an answer of PutRecords has ${what}`)
}
