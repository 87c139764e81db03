/** Where the records of a stream go, how many of them are taken, and how many have come. */

import type { ShardId } from '../wire/numbers.ts'

/** One open shard of a stream and the end, inclusive, of the range of hash keys that it owns. */
export interface Route {
  readonly shard: ShardId
  /** 0 to 2^128-1. */
  readonly endingHashKey: bigint
}

/** What each shard of a stream takes in; at most 2^40 each. */
export interface ThroughputLimits {
  readonly recordsPerSecond: number
  /** Bytes of keys and data. */
  readonly bytesPerSecond: number
  /** ... and how many of them at once, when it has not been used for a while. */
  readonly bytesBurst: number
}

export interface RouteOptions {
  /**
   * The maps that were in force before the last reshards, newest first; each tiles the hash space.
   * Shards that they have and the open map has not are asked for the repeats of idempotent
   * producers, which would be written twice otherwise. One that is gone may be named.
   */
  readonly previous?: readonly (readonly Route[])[]
  /**
   * The limits of each open shard; as much as the machine takes unless they are given. What is
   * beyond them is THROUGHPUT_EXCEEDED, record by record; of an idempotent producer from the first
   * such record on, and its repeats get the first answer and count nothing.
   */
  readonly limits?: ThroughputLimits | undefined
}

/** What has come into a shard since the log was opened. */
export interface ShardTraffic {
  readonly shard: ShardId
  readonly records: number
  /** Of keys and data. */
  readonly bytes: number
  /** Records that were beyond the limits. */
  readonly throttledRecords: number
}
