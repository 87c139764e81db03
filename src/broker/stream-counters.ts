/** What was put and read, per stream, since the broker was opened. */

/** What GetRecords has had of one shard. */
export interface ShardReads {
  records: number
  /** Of their keys and data. */
  bytes: number
  /** Requests that were beyond the limits. */
  throttled: number
  /** Of what the last one read: how far behind the newest record. */
  iteratorAgeMillis: number
}

/** Totals of one stream; they only grow. */
export interface StreamCounts {
  appendRecords: number
  /** Of the requests that were appended: keys, data, and what encloses them. */
  appendBytes: number
  /** Records that were refused, by code. */
  readonly appendRefused: Map<string, number>
  readRecords: number
  /** Of whole batches, with what encloses their records. */
  readBytes: number
  /** What was pushed to subscriptions. */
  pushedRecords: number
  pushedBytes: number
  pushedSlices: number
  /** GetRecords requests that were refused, by code. */
  readonly readRefused: Map<string, number>
  /** By the index of the shard. */
  readonly shardReads: Map<number, ShardReads>
}

export class StreamCounters {
  readonly #counts = new Map<string, StreamCounts>()
  /** Puts that were refused and name no stream that takes records, by code. */
  readonly strayRefused: Map<string, number> = new Map()

  /** The counts of a stream, to be added to. */
  of(stream: string): StreamCounts {
    let counts = this.#counts.get(stream)
    if (counts === undefined) {
      counts = {
        appendRecords: 0,
        appendBytes: 0,
        appendRefused: new Map(),
        readRecords: 0,
        readBytes: 0,
        pushedRecords: 0,
        pushedBytes: 0,
        pushedSlices: 0,
        readRefused: new Map(),
        shardReads: new Map(),
      }
      this.#counts.set(stream, counts)
    }
    return counts
  }

  /** Of a stream that is deleted: one of the same name begins anew. */
  forget(stream: string): void {
    this.#counts.delete(stream)
  }
}

/** The counts of a shard, to be added to. */
export function shardReadsOf(counts: StreamCounts, shardIndex: number): ShardReads {
  let reads = counts.shardReads.get(shardIndex)
  if (reads === undefined) {
    reads = { records: 0, bytes: 0, throttled: 0, iteratorAgeMillis: 0 }
    counts.shardReads.set(shardIndex, reads)
  }
  return reads
}

export function countRefused(refused: Map<string, number>, code: string, count: number): void {
  refused.set(code, (refused.get(code) ?? 0) + count)
}
