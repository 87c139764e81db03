/**
 * SplitShard, MergeShards and UpdateShardCount: all answer when they are accepted, and go on after
 * that.
 */

import type { Move } from '../../stream/reshard-plan.ts'
import type {
  AnswerOf,
  mergeShards,
  RequestOf,
  splitShard,
  updateShardCount,
} from '../../wire/operations.ts'
import { shardIdText } from '../../wire/shard-id-text.ts'
import type { ShardMove } from '../../wire/structures.ts'
import type { BrokerContext } from '../context.ts'

export async function handleSplitShard(
  { streams }: BrokerContext,
  request: RequestOf<typeof splitShard>,
): Promise<AnswerOf<typeof splitShard>> {
  return { moves: (await streams.resharding.split(request)).map(describeMove) }
}

export async function handleMergeShards(
  { streams }: BrokerContext,
  request: RequestOf<typeof mergeShards>,
): Promise<AnswerOf<typeof mergeShards>> {
  return { moves: (await streams.resharding.merge(request)).map(describeMove) }
}

export async function handleUpdateShardCount(
  { streams }: BrokerContext,
  request: RequestOf<typeof updateShardCount>,
): Promise<AnswerOf<typeof updateShardCount>> {
  const { targetShardCount } = request
  const { currentShardCount, moves } = await streams.resharding.updateShardCount(request)
  return { currentShardCount, targetShardCount, moves: moves.map(describeMove) }
}

function describeMove({ startingHashKey, endingHashKey, from }: Move): ShardMove {
  return { startingHashKey, endingHashKey, shardIds: from.map((it) => shardIdText(it.index)) }
}
