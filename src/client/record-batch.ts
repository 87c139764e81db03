/** What an iteration over a stream delivers. */

import type { RecordView } from '../wire/slice-cursor.ts'
import { encodeResumeToken, type ShardPosition } from './resume-token.ts'
import type { Fetched, Gap } from './shard-cursor.ts'

/** Records of one shard, in order; they are decoded as they are asked for. */
export class RecordBatch implements Iterable<RecordView> {
  readonly shardId: string
  /** Records that are missing before these. */
  readonly gap: Gap | undefined
  /** How far behind its end the shard is read, in ms; 0 at the end. */
  readonly millisBehindLatest: number
  readonly #fetched: Fetched
  readonly #streamName: string
  readonly #positions: readonly ShardPosition[]

  /** `positions` are those after this batch. */
  constructor(
    shardId: string,
    fetched: Fetched,
    streamName: string,
    positions: readonly ShardPosition[],
  ) {
    this.shardId = shardId
    this.gap = fetched.gap
    this.millisBehindLatest = fetched.millisBehindLatest
    this.#fetched = fetched
    this.#streamName = streamName
    this.#positions = positions
  }

  /** How many records there are; none in a batch that only tells of a gap. */
  get recordCount(): number {
    return this.#fetched.records.recordCount
  }

  /** Of the first record. */
  get firstSequenceNumber(): bigint {
    return this.#fetched.records.firstSequenceNumber
  }

  /** Whole batches of the log as they are stored: the records, and maybe some around them. */
  get bytes(): Uint8Array {
    return this.#fetched.records.slice
  }

  /**
   * Where the stream has been read after this batch, with all batches that were delivered before
   * it: `read` with `from` this token goes on there, without a gap and without a repeat.
   */
  get resumeToken(): string {
    return encodeResumeToken(this.#streamName, this.#positions)
  }

  [Symbol.iterator](): Iterator<RecordView> {
    return this.#fetched.records[Symbol.iterator]()
  }
}
