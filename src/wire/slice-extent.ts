/** What a slice has, told by the headers of its batches alone. */

import { MillraceError } from '../errors.ts'
import { batchLayout } from './batch-layout.ts'
import { isBatchHeader } from './slice-cursor.ts'

const { headerBytes, firstSequenceAt, countAt, arrivalAt, recordsLengthAt } = batchLayout
const two32 = 2 ** 32

export interface SliceExtent {
  /** Of the first record that is meant. */
  readonly firstSequenceNumber: bigint
  /** One past the last one. */
  readonly nextSequenceNumber: bigint
  /** How many are meant; 0 where all of them lie before `from`. */
  readonly recordCount: number
  /** When the last batch arrived, in ms since 1970. */
  readonly arrivalMillis: number
}

/**
 * The records of a slice from the number `from` on. Throws a MillraceError, PROTOCOL_VIOLATION, for
 * what is not one or more whole batches.
 */
export function sliceExtent(slice: Uint8Array, from: bigint): SliceExtent {
  const fields = new DataView(slice.buffer, slice.byteOffset, slice.byteLength)
  let recordCount = 0
  let last = 0
  let at = 0
  while (at < slice.length) {
    if (!isBatchHeader(slice, at)) refuse(at, 'wanted a batch')
    recordCount += fields.getUint32(at + countAt)
    last = at
    at += headerBytes + fields.getUint32(at + recordsLengthAt)
  }
  if (at === 0 || at > slice.length) refuse(last, 'the batch is cut short')
  const first = fields.getBigUint64(firstSequenceAt)
  const nextSequenceNumber =
    fields.getBigUint64(last + firstSequenceAt) + BigInt(fields.getUint32(last + countAt))
  const arrivalMillis =
    fields.getUint32(last + arrivalAt) * two32 + fields.getUint32(last + arrivalAt + 4)
  const isWhole = first >= from
  return {
    firstSequenceNumber: isWhole || from > nextSequenceNumber ? first : from,
    nextSequenceNumber,
    recordCount: isWhole ? recordCount : countFrom(fields, from),
    arrivalMillis,
  }
}

/** Seldom needed: of all slices the first alone begins before the record that is wanted. */
function countFrom(fields: DataView, from: bigint): number {
  let count = 0
  for (let at = 0; at < fields.byteLength; ) {
    const first = fields.getBigUint64(at + firstSequenceAt)
    const records = fields.getUint32(at + countAt)
    const before = from - first
    if (before <= 0n) count += records
    else if (before < BigInt(records)) count += records - Number(before)
    at += headerBytes + fields.getUint32(at + recordsLengthAt)
  }
  return count
}

function refuse(at: number, what: string): never {
  throw new MillraceError('PROTOCOL_VIOLATION', `slice, byte ${at}: ${what}`)
}
