/** Splits and merges of shards, as the catalog and the log know them. */

import type { Log } from '../../src/log/log.ts'
import { sequenceNumber } from '../../src/log/log.ts'
import type { Shard } from '../../src/shard/shard.ts'
import type { Streams } from '../../src/stream/streams.ts'

/** A shard that takes no more records: its end is the number of its last one. */
async function close(log: Log, shard: Shard, closedMillis: number): Promise<Shard> {
  await log.sealShard(shard.number)
  const { nextSequenceNumber } = await log.shardStats(shard.number)
  const endingSequenceNumber = sequenceNumber(nextSequenceNumber - 1n)
  return { ...shard, closing: { endingSequenceNumber, closedMillis } }
}

function highest(numbers: readonly bigint[]): bigint {
  let found = 0n
  for (const it of numbers) if (it > found) found = it
  return found
}

interface Reshard {
  readonly streamName: string
  readonly parents: readonly Shard[]
  /** Where the children begin, ascending; each ends where the next one begins. */
  readonly startingHashKeys: readonly bigint[]
}

async function reshard(log: Log, streams: Streams, change: Reshard): Promise<Shard[]> {
  const stream = streams.require(change.streamName)
  const now = Date.now()
  const closed: Shard[] = []
  for (const parent of change.parents) closed.push(await close(log, parent, now))
  const ends = closed.map((it) => (it.closing?.endingSequenceNumber ?? 0n) + 1n)
  const first = sequenceNumber(highest(ends))
  const starts = change.startingHashKeys
  const firstIndex = Math.max(...stream.shards.keys()) + 1
  const numbers = await log.createShards(starts.map(() => first))
  const top = highest(change.parents.map((it) => it.endingHashKey))
  const children = numbers.map(
    (number, i): Shard => ({
      index: firstIndex + i,
      number,
      startingHashKey: starts[i] as bigint,
      endingHashKey: i + 1 < starts.length ? (starts[i + 1] as bigint) - 1n : top,
      startingSequenceNumber: first,
      createdMillis: now,
      parents: change.parents.map((it) => it.index).sort((a, b) => a - b),
    }),
  )
  await streams.writeShards(stream, [...closed, ...children])
  return children
}

/** Splits an open shard in the middle; answers its two children. */
export function splitShard(
  log: Log,
  streams: Streams,
  streamName: string,
  shard: Shard,
): Promise<Shard[]> {
  const middle = (shard.startingHashKey + shard.endingHashKey + 1n) / 2n
  const startingHashKeys = [shard.startingHashKey, middle]
  return reshard(log, streams, { streamName, parents: [shard], startingHashKeys })
}

/** Merges two open shards that are neighbours, the lower one first; answers their child. */
export async function mergeShards(
  log: Log,
  streams: Streams,
  streamName: string,
  [lower, upper]: readonly [Shard, Shard],
): Promise<Shard> {
  const startingHashKeys = [lower.startingHashKey]
  const parents = [lower, upper]
  const [child] = await reshard(log, streams, { streamName, parents, startingHashKeys })
  if (child === undefined) throw new Error('no shard was created')
  return child
}
