/** What limits and metrics count of records that were read: their keys and data. */

import { binding } from './binding.ts'

/** More than any slice has. */
const allRecords = 2 ** 32 - 1

/**
 * Bytes of the keys and data of records of a slice: of `recordCount` of them (or as many as there
 * are), without the first `skip`. Of records that are compressed, their share of what is stored.
 * Throws a MillraceError, INVALID_ARGUMENT, for numbers that are none of 32 bits.
 */
export function payloadBytes(
  slice: Uint8Array,
  skip = 0,
  recordCount: number = allRecords,
): number {
  return binding.payloadBytes(slice, skip, recordCount)
}
