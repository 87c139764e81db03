/** Records that a producer could not put. */

import { MillraceError } from '../errors.ts'

export interface RefusedRecord {
  /** Its number among the records that the producer took, from 0. */
  readonly ordinal: number
  readonly key: string | undefined
  readonly data: Uint8Array
  /** Why; with CONNECTION_LOST, LOG_FAILED or CLIENT_CLOSED it may be stored all the same. */
  readonly error: MillraceError
}

/** Refused records are listed up to this many; their count has no bound. */
const listedMax = 100

/** Rejects `flush` and `close` of a producer when records were refused that nobody heard of. */
export class RecordsRefusedError extends MillraceError {
  /** The first of them, up to 100, one by one. */
  readonly refused: readonly Omit<RefusedRecord, 'data'>[]
  readonly refusedCount: number

  constructor(refused: readonly Omit<RefusedRecord, 'data'>[], refusedCount: number) {
    const [first] = refused as [RefusedRecord]
    const { code, message } = first.error
    super(
      code,
      `${refusedCount} records were refused; the first, number ${first.ordinal}: ${message}`,
    )
    this.refused = refused
    this.refusedCount = refusedCount
  }
}

/** Keeps the refusals that nobody has heard of yet. */
export class Refusals {
  #refused: Omit<RefusedRecord, 'data'>[] = []
  #count = 0

  add({ ordinal, key, error }: RefusedRecord): void {
    this.#count += 1
    if (this.#refused.length < listedMax) this.#refused.push({ ordinal, key, error })
  }

  /** The error that tells of them, once; undefined where there are none. */
  take(): RecordsRefusedError | undefined {
    if (this.#count === 0) return undefined
    const error = new RecordsRefusedError(this.#refused, this.#count)
    this.#refused = []
    this.#count = 0
    return error
  }
}
