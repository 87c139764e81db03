/** A stream as the catalog knows it: a named set of shards. Values, replaced when they change. */

import type { KeyName } from '../log/log.ts'
import type { Shard } from '../shard/shard.ts'
import type { SequenceNumber } from '../wire/numbers.ts'
import type { StreamMode, StreamStatus, StreamSummary } from '../wire/operations.ts'
import type { ShardLevelMetric } from '../wire/structures.ts'

/** A shard that is split, or two neighbours that are merged: new shards take over their keys. */
export interface Replacement {
  /** Indexes, the lower range first. */
  readonly parents: readonly number[]
  /** Where the new shards begin, ascending; each ends where the next one, or its parents, do. */
  readonly startingHashKeys: readonly bigint[]
}

/** Splits and merges that are made at once, and are not done yet. */
export interface Reshard {
  readonly replacements: readonly Replacement[]
  /** How many open shards the stream is to have after this and what follows; or this is all. */
  readonly targetShardCount?: number | undefined
  /**
   * The new shards from the moment on that records are put to them. They are no shards of the
   * stream for those who read it until their parents are closed.
   */
  readonly children: readonly Shard[]
}

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
  /** What its records are encrypted with from now on; those before may be otherwise. */
  readonly encryption: KeyName | undefined
  /** When that was last changed, ascending: as often as is allowed within a day. */
  readonly encryptionChanges: readonly number[]
  readonly reshard?: Reshard | undefined
  /** When UpdateShardCount was accepted: the last times, ascending. */
  readonly shardCountUpdates: readonly number[]
}

/** Open shards tile the hash space; in the order of their ranges. */
export function openShards(stream: Stream): Shard[] {
  return inHashOrder([...stream.shards.values()].filter((it) => it.closing === undefined))
}

/**
 * The shards that records are put to: they tile the hash space, too, in the order of their ranges.
 * From the switch of a reshard on they are not the open ones.
 */
export function routedShards(stream: Stream): Shard[] {
  const { replacements, children } = stream.reshard ?? { replacements: [], children: [] }
  const open = openShards(stream)
  if (children.length === 0) return open
  const replaced = new Set(replacements.flatMap((it) => it.parents))
  return inHashOrder([...open.filter((it) => !replaced.has(it.index)), ...children])
}

/** All that the log has for the stream, also what nobody reads yet. */
export function shardsInLog(stream: Stream): Shard[] {
  return [...stream.shards.values(), ...(stream.reshard?.children ?? [])]
}

/** Sorts them by their ranges. */
export function inHashOrder(shards: Shard[]): Shard[] {
  return shards.sort((a, b) => (a.startingHashKey < b.startingHashKey ? -1 : 1))
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
