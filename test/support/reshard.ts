/** Splits and merges of the shards of PROVISIONED streams, done when these answer. */

import { childShards, type Shard } from '../../src/shard/shard.ts'
import type { Streams } from '../../src/stream/streams.ts'
import { parseShardId } from '../../src/wire/shard-id-text.ts'

/** Splits an open shard in the middle; answers its two children. */
export async function splitShard(
  streams: Streams,
  streamName: string,
  shard: Shard,
): Promise<Shard[]> {
  await streams.resharding.split({ streamName, shardToSplit: String(shard.index) })
  return await childrenOf(streams, streamName, shard)
}

/** Merges two open shards that are neighbours, the lower one first; answers their child. */
export async function mergeShards(
  streams: Streams,
  streamName: string,
  [lower, upper]: readonly [Shard, Shard],
): Promise<Shard> {
  await streams.resharding.merge({
    streamName,
    shardToMerge: String(lower.index),
    adjacentShardToMerge: String(upper.index),
  })
  const [child] = await childrenOf(streams, streamName, lower)
  if (child === undefined) throw new Error('no shard was created')
  return child
}

/** Waits until a stream is ACTIVE again. */
export async function untilDone(streams: Streams, streamName: string): Promise<void> {
  const end = Date.now() + 20_000
  while (streams.require(streamName).status !== 'ACTIVE') {
    if (Date.now() > end) throw new Error(`${streamName} is not ACTIVE`)
    await new Promise((resolve) => setImmediate(resolve))
  }
}

async function childrenOf(streams: Streams, streamName: string, parent: Shard): Promise<Shard[]> {
  await untilDone(streams, streamName)
  const { shards } = streams.require(streamName)
  const children = childShards(shards.values(), parent)
  return children.map((it) => shards.get(parseShardId(it.shardId) as number) as Shard)
}
