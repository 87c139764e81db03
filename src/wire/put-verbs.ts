/** Puts as users hand them over, as frames, and the answers to them. */

import { type ErrorCode, errorTable, MillraceError } from '../errors.ts'
import { packMessage, unpackMessage } from './codec.ts'
import { hashKey, optional, parseFields, u64 } from './fields.ts'
import { putRecord, putRecords } from './operations.ts'
import { shardIdText } from './shard-id-text.ts'
import type { PutAnswer, PutOptions, PutRecordsAnswer, RecordInput } from './verbs.ts'

const explicitHashKey = optional(hashKey)
const sequenceNumber = u64()

/** The frame of a PutRecords of some records, or of a PutRecord of one. */
export function encodePut(
  operation: typeof putRecord | typeof putRecords,
  requestId: number,
  streamName: string,
  records: readonly RecordInput[],
  { durability, producer }: PutOptions,
): Uint8Array {
  const hashKeys = records.some((it) => it.explicitHashKey !== undefined)
    ? records.map((it) => explicitHashKey.pack(it.explicitHashKey))
    : null
  return packMessage([
    operation.opcode,
    requestId,
    streamName,
    durability ?? null,
    records.map((it) => [it.key, it.data]),
    hashKeys,
    producer?.id ?? 0,
    producer?.sequence ?? 0,
  ])
}

/** Throws a MillraceError, PROTOCOL_VIOLATION. */
export function decodePutRecord(frame: Uint8Array): PutAnswer {
  return parseFields(putRecord.answer, unpackMessage(frame), 3)
}

/** Throws a MillraceError, PROTOCOL_VIOLATION. */
export function decodePutRecords(frame: Uint8Array): PutRecordsAnswer {
  const values = unpackMessage(frame, { elementsMax: 10_000 })
  const { durability, shardIndexes } = parseFields(putRecords.answer, values.slice(0, 5), 3)
  const [shards, ordinals, failedRecordCount] = values[5] as [unknown[][], Uint8Array, number]
  const wide = shards.length > 256
  const next = shards.map((it) => sequenceNumber.parse(it[1], 'first sequence number'))
  const records = []
  for (let at = 0; at < ordinals.length; at += wide ? 2 : 1) {
    const ordinal = wide
      ? ((ordinals[at] as number) << 8) | (ordinals[at + 1] as number)
      : (ordinals[at] as number)
    const shardId = shardIdText(shardIndexes[ordinal] as number)
    const code = shards[ordinal]?.[3]
    if (typeof code === 'string') {
      const known = Object.hasOwn(errorTable, code) ? (code as ErrorCode) : 'INTERNAL'
      records.push({ shardId, error: new MillraceError(known) })
    } else {
      const number = next[ordinal] as bigint
      next[ordinal] = number + 1n
      records.push({ shardId, sequenceNumber: number })
    }
  }
  return { durability, failedRecordCount, records }
}
