/** Cuts a slice to the batches that hold the records of an answer. Pure. */

import { batchLayout } from '../wire/batch-layout.ts'

const { countAt, arrivalAt, recordsLengthAt, headerBytes } = batchLayout

export interface CutSlice {
  /** A view of the slice. */
  readonly bytes: Uint8Array
  /** Of the records that were asked for: how many there are. */
  readonly recordCount: number
  /** Bytes of those records, without what the batches are besides. */
  readonly recordBytes: number
  /** When the batch of the last of them arrived; 0 where there is none. */
  readonly lastArrivalMillis: number
}

/**
 * The batches with `recordCountMax` records from the one number `skip` on (or as many as there
 * are). Whole batches alone can be sent, so the first may begin before, and the last end behind.
 */
export function cutSlice(slice: Uint8Array, skip: number, recordCountMax: number): CutSlice {
  const view = new DataView(slice.buffer, slice.byteOffset, slice.byteLength)
  const wanted = skip + recordCountMax
  let at = 0
  let start = 0
  let seen = 0
  let recordBytes = 0
  let lastAt = -1
  while (at < slice.length && seen < wanted) {
    const count = view.getUint32(at + countAt)
    const length = view.getUint32(at + recordsLengthAt)
    const end = at + headerBytes + length
    // Of a batch that is asked for in part, that part.
    const before = Math.max(0, skip - seen)
    const asked = Math.max(0, Math.min(count, wanted - seen) - before)
    if (asked > 0) recordBytes += (length * asked) / count
    if (seen + count <= skip) start = end
    else if (count > 0) lastAt = at
    seen += count
    at = end
  }
  if (lastAt === -1) {
    return { bytes: slice.subarray(0, 0), recordCount: 0, recordBytes: 0, lastArrivalMillis: 0 }
  }
  const recordCount = Math.min(seen, wanted) - skip
  const lastArrivalMillis = Number(view.getBigUint64(lastAt + arrivalAt))
  return { bytes: slice.subarray(start, at), recordCount, recordBytes, lastArrivalMillis }
}
