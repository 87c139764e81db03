/** Puts as users hand them over, as frames, and the answers to them. */

import { MillraceError } from '../errors.ts'
import { decodeBrokerFrame, parseAnswer } from './frame.ts'
import { type AnswerOf, type Operation, putRecord, putRecords } from './operations.ts'
import { putResults, refusalOf } from './put-answer.ts'
import { encodePutRecord, encodePutRecords } from './put-builder.ts'
import type {
  PutAnswer,
  PutOptions,
  PutRecordResult,
  PutRecordsAnswer,
  RecordInput,
} from './verbs.ts'

/** The frame of a PutRecords of some records, or of a PutRecord of one. */
export function encodePut(
  operation: typeof putRecord | typeof putRecords,
  requestId: number,
  streamName: string,
  records: readonly RecordInput[],
  { durability, producer }: PutOptions,
): Uint8Array {
  const target = { streamName, durability }
  const by = producer && { producerId: producer.id, producerSequence: producer.sequence }
  const [first] = records
  return operation === putRecord && first !== undefined
    ? encodePutRecord(requestId, target, first, by)
    : encodePutRecords(requestId, target, records, by)
}

/** Throws a MillraceError, PROTOCOL_VIOLATION. */
export function decodePutRecord(frame: Uint8Array): PutAnswer {
  return decodeAnswer(putRecord, frame)
}

/** Throws a MillraceError, PROTOCOL_VIOLATION. */
export function decodePutRecords(frame: Uint8Array, streamName: string): PutRecordsAnswer {
  const answer = decodeAnswer(putRecords, frame)
  return {
    durability: answer.durability,
    failedRecordCount: answer.outcome.failedCount,
    records: putResults(answer).map((it): PutRecordResult => {
      if ('sequenceNumber' in it) return it
      return { shardId: it.shardId, error: refusalOf(it, streamName) }
    }),
  }
}

function decodeAnswer<Op extends Operation>(operation: Op, frame: Uint8Array): AnswerOf<Op> {
  const decoded = decodeBrokerFrame(frame)
  if (decoded.kind === 'answer') return parseAnswer(operation, decoded.values)
  throw new MillraceError('PROTOCOL_VIOLATION', `wanted an answer of ${operation.name}`)
}
