/** Cuts a slice to the batches that hold the records of an answer. Pure. */

import { batchLayout } from '../wire/batch-layout.ts'

const { countAt, arrivalAt, recordsLengthAt, headerBytes } = batchLayout

export interface CutSlice {
  /** A view of the slice. */
  readonly bytes: Uint8Array
  /** Of the records that were asked for: how many there are. */
  readonly recordCount: number
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
  let lastAt = -1
  while (at < slice.length && seen < wanted) {
    const count = view.getUint32(at + countAt)
    const end = at + headerBytes + view.getUint32(at + recordsLengthAt)
    if (seen + count <= skip) start = end
    else if (count > 0) lastAt = at
    seen += count
    at = end
  }
  if (lastAt === -1) {
    return { bytes: slice.subarray(0, 0), recordCount: 0, lastArrivalMillis: 0 }
  }
  const recordCount = Math.min(seen, wanted) - skip
  const lastArrivalMillis = Number(view.getBigUint64(lastAt + arrivalAt))
  return { bytes: slice.subarray(start, at), recordCount, lastArrivalMillis }
}
