/** What is known of a shard besides its records: its place in its stream, and in the log. Pure. */

import { MillraceError } from '../errors.ts'
import type { SequenceNumber, ShardId } from '../wire/numbers.ts'
import type { ChildShard, ShardDescription } from '../wire/operations.ts'
import { parseShardId, shardIdText } from '../wire/shard-id-text.ts'

/** When and where a shard was closed by a split or a merge. */
export interface ShardClosing {
  /** Not below any of its records, and below every record of its children. */
  readonly endingSequenceNumber: SequenceNumber
  readonly closedMillis: number
}

export interface Shard {
  /** Counts the shards of a stream; never reused. */
  readonly index: number
  /** Names the shard in the log; never reused in a data directory. */
  readonly number: ShardId
  readonly startingHashKey: bigint
  readonly endingHashKey: bigint
  readonly startingSequenceNumber: SequenceNumber
  readonly createdMillis: number
  /** Indexes: none, the one that was split, or the two that were merged, the lower one first. */
  readonly parents: readonly number[]
  readonly closing?: ShardClosing | undefined
}

/** The index that a shard id names. Throws a MillraceError, SHARD_NOT_FOUND. */
export function shardIndexOf(shardId: string, streamName: string): number {
  const index = parseShardId(shardId)
  if (index !== undefined) return index
  throw new MillraceError(
    'SHARD_NOT_FOUND',
    `Could not find shard ${shardId} in stream ${streamName}.`,
  )
}

export function describeShard(shard: Shard): ShardDescription {
  const [parent, adjacentParent] = shard.parents
  return {
    shardId: shardIdText(shard.index),
    ...(parent === undefined ? {} : { parentShardId: shardIdText(parent) }),
    ...(adjacentParent === undefined ? {} : { adjacentParentShardId: shardIdText(adjacentParent) }),
    startingHashKey: shard.startingHashKey,
    endingHashKey: shard.endingHashKey,
    startingSequenceNumber: shard.startingSequenceNumber,
    ...(shard.closing === undefined
      ? {}
      : { endingSequenceNumber: shard.closing.endingSequenceNumber }),
    shardNumber: shard.number,
  }
}

/** The shards that took over the keys of a closed one, as the reader of it is told. */
export function childShards(shards: Iterable<Shard>, parent: Shard): ChildShard[] {
  const children: ChildShard[] = []
  for (const shard of shards) {
    if (!shard.parents.includes(parent.index)) continue
    children.push({
      shardId: shardIdText(shard.index),
      parentShards: shard.parents.map(shardIdText),
      startingHashKey: shard.startingHashKey,
      endingHashKey: shard.endingHashKey,
    })
  }
  return children
}
