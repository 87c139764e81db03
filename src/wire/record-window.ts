/** The records that an answer of GetRecords is about, among those of the batches it brings. */

import { MillraceError } from '../errors.ts'
import type { SequenceNumber } from './numbers.ts'
import { type RecordView, SliceCursor, type SliceOptions } from './slice-cursor.ts'

/** A slice, and which of its records are meant. */
export interface SliceWindow {
  readonly slice: Uint8Array
  /** Of the first record that is meant; those before it were read earlier. */
  readonly firstSequenceNumber: bigint
  /** How many are meant. */
  readonly recordCount: number
}

/**
 * Can be gone through any number of times; nothing is copied, and nothing decoded before it is
 * asked for. Going through it throws a MillraceError as SliceCursor does, and PROTOCOL_VIOLATION,
 * too, when the slice has fewer records.
 */
export class RecordWindow implements Iterable<RecordView> {
  readonly slice: Uint8Array
  readonly firstSequenceNumber: SequenceNumber
  readonly recordCount: number
  readonly #verify: boolean | undefined

  constructor(window: SliceWindow, { verify }: SliceOptions = {}) {
    this.slice = window.slice
    this.firstSequenceNumber = window.firstSequenceNumber as SequenceNumber
    this.recordCount = window.recordCount
    this.#verify = verify
  }

  *[Symbol.iterator](): Iterator<RecordView> {
    const cursor = new SliceCursor(this.slice, { verify: this.#verify })
    if (this.recordCount > 0) cursor.skipTo(this.firstSequenceNumber)
    for (let left = this.recordCount; left > 0; left -= 1) {
      if (!cursor.next()) {
        throw new MillraceError('PROTOCOL_VIOLATION', `a slice ends ${left} records too early`)
      }
      yield cursor.view()
    }
  }
}
