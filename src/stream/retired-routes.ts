/** Where the records of a stream went before its last reshards. Pure. */

import type { Shard } from '../shard/shard.ts'
import { inHashOrder, openShards, routedShards, type Stream } from './stream.ts'

/** For how long a producer may repeat a request that it sent before a reshard. */
export const retiredRoutesMillis = 300_000
/** However many reshards there were meanwhile. */
export const retiredRoutesMax = 8

/**
 * The shards that records were put to before each of the last reshards, newest first: those up to
 * 5 minutes ago, 8 at most. Each element tiles the hash space, in the order of the ranges.
 */
export function retiredRoutes(stream: Stream, nowMillis: number): Shard[][] {
  const retired: Shard[][] = []
  // Nobody closes the parents in the moment of the switch: it has no time yet.
  if ((stream.reshard?.children ?? []).length > 0) retired.push(openShards(stream))
  let newer = retired[0] ?? routedShards(stream)
  while (retired.length < retiredRoutesMax) {
    const older = before(newer, stream.shards, nowMillis - retiredRoutesMillis)
    if (older === undefined) break
    retired.push(older)
    newer = older
  }
  return retired
}

/**
 * What was there before the last reshard; undefined where that was too long ago, or never, or its
 * parents are not all there any more.
 */
function before(
  shards: readonly Shard[],
  all: ReadonlyMap<number, Shard>,
  afterMillis: number,
): Shard[] | undefined {
  // Children are made when their parents are closed.
  const times = shards.map((it) => (it.parents.length === 0 ? 0 : it.createdMillis))
  const last = Math.max(...times)
  if (last <= afterMillis) return undefined
  const older = new Set<Shard | undefined>()
  shards.forEach((shard, at) => {
    if (times[at] !== last) older.add(shard)
    else for (const index of shard.parents) older.add(all.get(index))
  })
  return older.has(undefined) ? undefined : inHashOrder([...older] as Shard[])
}
