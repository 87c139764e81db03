/** Operations that change the shards of a stream. */

import { pageElementsMax, shardCountMax } from '../limits.ts'
import { bool, hashKey, list, optional, uint, word } from './fields.ts'
import { operation } from './operation.ts'
import {
  scalingBlock,
  scalingChange,
  shardHeat,
  shardIdField,
  shardMove,
  streamModes,
  streamName,
} from './structures.ts'

/** Checks everything and answers what would be, without doing it. */
const dryRun = optional(bool)
const moves = list(shardMove, { max: pageElementsMax })

export const splitShard = operation(
  0x1a,
  'SplitShard',
  {
    streamName,
    shardToSplit: shardIdField,
    /** The first key of the upper shard; the middle of the range unless it is given. */
    newStartingHashKey: optional(hashKey),
    dryRun,
  },
  { moves },
)

export const mergeShards = operation(
  0x1b,
  'MergeShards',
  {
    streamName,
    /** The lower one of two neighbours. */
    shardToMerge: shardIdField,
    adjacentShardToMerge: shardIdField,
    dryRun,
  },
  { moves },
)

export const updateShardCount = operation(
  0x1c,
  'UpdateShardCount',
  { streamName, targetShardCount: uint(1, shardCountMax), dryRun },
  {
    /** Open shards when it was asked for. */
    currentShardCount: uint(),
    targetShardCount: uint(),
    /** From before to after, whatever comes between. */
    moves,
  },
)

/** How hot the shards of a stream are; and what it would do now by itself, in ON_DEMAND mode. */
export const describeScaling = operation(
  0x2d,
  'DescribeScaling',
  { streamName },
  {
    streamMode: word(streamModes),
    /** Whether the broker splits and merges shards of ON_DEMAND streams. */
    isAutomatic: bool,
    /** Open shards that it keeps to. */
    shardsMin: uint(),
    shardsMax: uint(),
    /** It splits above this load, when a shard has had it for so long ... */
    splitPercent: uint(),
    splitMillis: uint(),
    /** ... and merges below that one, when two neighbours have had it for so long. */
    mergePercent: uint(),
    mergeMillis: uint(),
    /** Open ones, by keys. */
    shards: list(shardHeat, { max: pageElementsMax }),
    /** Splits, or merges. */
    changes: list(scalingChange, { max: pageElementsMax }),
    /** Hot shards that are not split. */
    blocked: list(scalingBlock, { max: pageElementsMax }),
    /** For how long the shards stay as they are, whatever comes. */
    restMillis: uint(),
  },
)
