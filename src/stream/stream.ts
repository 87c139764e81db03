/** A stream as the catalog knows it: a named set of shards. Values, replaced when they change. */

import type { Shard } from '../shard/shard.ts'
import type { SequenceNumber } from '../wire/numbers.ts'
import type { StreamMode, StreamStatus, StreamSummary } from '../wire/operations.ts'
import type { ShardLevelMetric } from '../wire/structures.ts'

export interface Stream {
  /** Tells it from earlier streams of the same name; never reused in a data directory. */
  readonly number: number
  readonly name: string
  readonly status: StreamStatus
  readonly mode: StreamMode
  readonly createdMillis: number
  readonly retentionPeriodHours: number
  /** Bytes of its records beyond which the oldest go; undefined = no such bound. */
  readonly retentionBytes: number | undefined
  /**
   * What arrived before this is expired for good, whatever the retention period is now; 0 until it
   * is changed for the first time.
   */
  readonly horizonMillis: number
  /** When the mode was last switched, ascending: as often as is allowed within a day. */
  readonly modeSwitches: readonly number[]
  /** Key and data of one record, in bytes. */
  readonly recordBytesMax: number
  /** Shards that it is created with. */
  readonly shardCount: number
  /**
   * Where the sequence numbers of those begin: above those of an earlier stream of the same name,
   * so that nobody who kept one of them goes on in the middle of other records.
   */
  readonly firstSequenceNumber: SequenceNumber
  /** Of a stream that is being deleted: above all that its shards have given. */
  readonly endSequenceNumber: SequenceNumber
  /** By index, in the order of the indexes; none until the stream is ACTIVE. */
  readonly shards: ReadonlyMap<number, Shard>
  readonly tags: ReadonlyMap<string, string>
  /** Which metrics are told of each of its shards. */
  readonly shardLevelMetrics: ReadonlySet<ShardLevelMetric>
}

/** Open shards tile the hash space; in the order of their ranges. */
export function openShards(stream: Stream): Shard[] {
  return [...stream.shards.values()]
    .filter((it) => it.closing === undefined)
    .sort((a, b) => (a.startingHashKey < b.startingHashKey ? -1 : 1))
}

/** Whether records can be put to it and read from it. */
export function isServing(stream: Stream): boolean {
  return stream.status === 'ACTIVE' || stream.status === 'UPDATING'
}

export function summarizeStream(stream: Stream): StreamSummary {
  return {
    streamName: stream.name,
    streamStatus: stream.status,
    streamMode: stream.mode,
    streamCreationTimestamp: stream.createdMillis,
  }
}
