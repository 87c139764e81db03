/** Open shards that tile the hash space, and how hot they are. */

import type { Shard } from '../../../../src/shard/shard.ts'
import type { HeatHistory } from '../../../../src/stream/scaling/heat.ts'
import { type ScalingSettings, scalingSettings } from '../../../../src/stream/scaling/settings.ts'
import type { SequenceNumber, ShardId } from '../../../../src/wire/numbers.ts'

export const top: bigint = 2n ** 128n - 1n

/** 100 records a second are all that a shard carries; windows of 60 s and 10 min. */
export const settings: ScalingSettings = scalingSettings({
  shardRecordsPerSecond: 100,
  shardBytesPerSecond: 100_000,
  mergeMillis: 600_000,
  shardsMin: 1,
  shardsMax: 8,
})

export function shardOf(
  index: number,
  startingHashKey: bigint,
  endingHashKey: bigint,
  parents: readonly number[] = [],
): Shard {
  return {
    index,
    number: BigInt(index + 1) as ShardId,
    startingHashKey,
    endingHashKey,
    startingSequenceNumber: 1n as SequenceNumber,
    createdMillis: 0,
    parents,
  }
}

/** Shards that begin at these keys. */
export function shardsAt(starts: readonly bigint[]): Shard[] {
  return starts.map((start, at) => shardOf(at, start, (starts[at + 1] ?? top + 1n) - 1n))
}

/** `count` shards with equal parts. */
export function uniformShards(count: number): Shard[] {
  return shardsAt(Array.from({ length: count }, (_, at) => (BigInt(at) << 128n) / BigInt(count)))
}

/** So many records a second all along between two times. */
export function steady(
  recordsPerSecond: number,
  [fromMillis, toMillis]: readonly [number, number],
): HeatHistory {
  return [{ fromMillis, toMillis, recordsPerSecond, bytesPerSecond: recordsPerSecond }]
}
