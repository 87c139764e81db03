/** When a stream in ON_DEMAND mode splits and merges shards by itself. */

import { MillraceError } from '../../errors.ts'

/** What a shard is taken to carry: loads are shares of it. */
export interface ShardCapacity {
  /** Of keys and data. */
  readonly shardBytesPerSecond: number
  readonly shardRecordsPerSecond: number
}

export interface ScalingSettings extends ShardCapacity {
  /** Nothing is split or merged; loads are measured all the same. */
  readonly disabled: boolean
  /** How often loads are measured and looked at. */
  readonly lookMillis: number
  /** A shard with more than this share is split, when it has had it for so long. */
  readonly splitPercent: number
  readonly splitMillis: number
  /** Two neighbours are merged that have had less than this together, at every time for so long. */
  readonly mergePercent: number
  readonly mergeMillis: number
  /** Between two changes of the shards of a stream, and after one that failed. */
  readonly cooldownMillis: number
  /** Open shards of a stream: merges go no lower, nor below those it was created with ... */
  readonly shardsMin: number
  /** ... and splits no higher. */
  readonly shardsMax: number
}

/**
 * A shard carries far more than a worker reads of it that does something with each record: more
 * shards are of use to those who read, and cost syncs to those who write.
 */
export const scalingDefaults: ScalingSettings = {
  disabled: false,
  shardBytesPerSecond: 64 * 1024 * 1024,
  shardRecordsPerSecond: 100_000,
  lookMillis: 10_000,
  splitPercent: 50,
  splitMillis: 60_000,
  mergePercent: 12,
  mergeMillis: 3_600_000,
  cooldownMillis: 60_000,
  shardsMin: 4,
  shardsMax: 64,
}

/**
 * Those that are given, and the defaults. Throws a MillraceError, INVALID_ARGUMENT, for settings
 * that contradict each other: what was split would be merged again, and so on without end.
 */
export function scalingSettings(given: Partial<ScalingSettings> = {}): ScalingSettings {
  const settings = { ...scalingDefaults, ...given }
  const { splitPercent, mergePercent, splitMillis, mergeMillis, shardsMin, shardsMax } = settings
  if (2 * mergePercent > splitPercent) {
    refuse(
      `scaling.mergePercent is ${mergePercent}, wanted at most half of scaling.splitPercent, ` +
        `which is ${splitPercent}: what is merged would soon be split again.`,
    )
  }
  if (mergeMillis < splitMillis) {
    refuse(
      `scaling.mergeMillis is ${mergeMillis}, wanted no less than scaling.splitMillis, ` +
        `which is ${splitMillis}.`,
    )
  }
  if (shardsMin > shardsMax) {
    refuse(
      `scaling.shardsMin is ${shardsMin}, wanted at most scaling.shardsMax, which is ${shardsMax}.`,
    )
  }
  return settings
}

function refuse(text: string): never {
  throw new MillraceError('INVALID_ARGUMENT', text)
}
