/** Where the records of a stream went before its last reshards. Pure. */

import { repeatsKnownReshardsMax } from '../limits.ts'
import type { Shard } from '../shard/shard.ts'
import { inHashOrder, openShards, routedShards, type Stream } from './stream.ts'

/**
 * The shards that records were put to before each of the last reshards, newest first: those since
 * `sinceMillis`, 64 at most. Each element tiles the hash space, in the order of the ranges; shards
 * that an element before it has, or that records are put to now, may stand for their neighbours.
 */
export function retiredRoutes(stream: Stream, sinceMillis: number): Shard[][] {
  const retired: Shard[][] = []
  // Nobody closes the parents in the moment of the switch: it has no time yet.
  if ((stream.reshard?.children ?? []).length > 0) retired.push(openShards(stream))
  let newer = retired[0] ?? routedShards(stream)
  while (retired.length < repeatsKnownReshardsMax) {
    const older = before(newer, stream.shards, sinceMillis)
    if (older === undefined) break
    retired.push(older)
    newer = older
  }
  const known = new Set(routedShards(stream))
  return retired.map((shards) => withoutKnown(shards, known))
}

/**
 * Of neighbours that are known the last one stands for all: nobody is looked for there, and a
 * stream of many shards that is split again and again would have all of them again and again.
 */
function withoutKnown(shards: readonly Shard[], known: Set<Shard>): Shard[] {
  const left = shards.filter((shard, at) => {
    const next = shards[at + 1]
    return next === undefined || !known.has(shard) || !known.has(next)
  })
  for (const shard of shards) known.add(shard)
  return left
}

/**
 * What was there before the last reshard; undefined where that was before `sinceMillis`, or never,
 * or its parents are not all there any more.
 */
function before(
  shards: readonly Shard[],
  all: ReadonlyMap<number, Shard>,
  sinceMillis: number,
): Shard[] | undefined {
  // Children are made when their parents are closed.
  const times = shards.map((it) => (it.parents.length === 0 ? 0 : it.createdMillis))
  const last = Math.max(...times)
  if (last <= sinceMillis) return undefined
  const older = new Set<Shard | undefined>()
  shards.forEach((shard, at) => {
    if (times[at] !== last) older.add(shard)
    else for (const index of shard.parents) older.add(all.get(index))
  })
  return older.has(undefined) ? undefined : inHashOrder([...older] as Shard[])
}
