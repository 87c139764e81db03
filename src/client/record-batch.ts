/** What an iteration over a stream delivers. */

import type { RecordWindow } from '../wire/record-window.ts'
import type { RecordView } from '../wire/slice-cursor.ts'
import type { Gap } from './shard-cursor.ts'

export interface BatchParts {
  readonly shardId: string
  readonly records: RecordWindow
  readonly gap: Gap | undefined
  readonly millisBehindLatest: number
  /** Makes the resume token. */
  readonly token: () => string
}

/** Records of one shard, in order; they are decoded as they are asked for. */
export class RecordBatch implements Iterable<RecordView> {
  readonly shardId: string
  /** Records that are missing before these. */
  readonly gap: Gap | undefined
  /** How far behind its end the shard is read, in ms; 0 at the end. */
  readonly millisBehindLatest: number
  readonly #records: RecordWindow
  readonly #token: () => string

  /** Made by what reads a stream. */
  constructor({ shardId, records, gap, millisBehindLatest, token }: BatchParts) {
    this.shardId = shardId
    this.gap = gap
    this.millisBehindLatest = millisBehindLatest
    this.#records = records
    this.#token = token
  }

  /** How many records there are; none in a batch that only tells of a gap. */
  get recordCount(): number {
    return this.#records.recordCount
  }

  /** Of the first record. */
  get firstSequenceNumber(): bigint {
    return this.#records.firstSequenceNumber
  }

  /** Whole batches of the log as they are stored: the records, and maybe some around them. */
  get bytes(): Uint8Array {
    return this.#records.slice
  }

  /**
   * Where the stream has been read after this batch, with all batches that were delivered before
   * it: reading on `from` this token misses nothing and repeats nothing. Of a consumer it tells of
   * the one shard alone: what a group has read is in its checkpoints.
   */
  get resumeToken(): string {
    return this.#token()
  }

  [Symbol.iterator](): Iterator<RecordView> {
    return this.#records[Symbol.iterator]()
  }
}
