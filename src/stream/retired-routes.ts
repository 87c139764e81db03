/** Where the records of a stream went before its last reshards. Pure. */

import { repeatsKnownReshardsMax } from '../limits.ts'
import type { Shard } from '../shard/shard.ts'
import { hashKeyMax } from './hash-ranges.ts'
import { inHashOrder, type Stream } from './stream.ts'

/**
 * The shards that records were put to before each of the last reshards, newest first: those since
 * `sinceMillis`, 64 at most, and none from before one whose shards are not all there any more. Each
 * element tiles the hash space, in the order of the ranges. It has the shards that the reshard
 * replaced; of neighbours that it left alone the last one stands for all, lest a stream of many
 * shards that is split again and again would have all of them again and again.
 */
export function retiredRoutes(stream: Stream, sinceMillis: number): Shard[][] {
  const shards = [...stream.shards.values()]
  const byEnd = shardsByEnd(shards)
  const retired: Shard[][] = []
  for (const [millis, indexes] of reshardsOf(stream, shards, sinceMillis)) {
    const parents = [...indexes].map((it) => stream.shards.get(it))
    const tiles = parents.includes(undefined)
      ? undefined
      : tilesWith(parents as Shard[], millis, byEnd)
    if (tiles === undefined) break
    retired.push(tiles)
    if (retired.length === repeatsKnownReshardsMax) break
  }
  return retired
}

/** The indexes of the shards that each reshard replaced, and when, newest first. */
function reshardsOf(
  { reshard }: Stream,
  shards: readonly Shard[],
  sinceMillis: number,
): [millis: number, indexes: Set<number>][] {
  const found = new Map<number, Set<number>>()
  const add = (millis: number, indexes: readonly number[]) => {
    const known = found.get(millis) ?? new Set()
    for (const it of indexes) known.add(it)
    found.set(millis, known)
  }
  // Nobody closes the parents in the moment of the switch: it has no time yet.
  if ((reshard?.children ?? []).length > 0) {
    for (const { parents } of reshard?.replacements ?? []) add(Number.POSITIVE_INFINITY, parents)
  }
  // Children are made when their parents are closed.
  for (const { parents, createdMillis } of shards) {
    if (parents.length > 0 && createdMillis > sinceMillis) add(createdMillis, parents)
  }
  return [...found].sort(([a], [b]) => (a > b ? -1 : 1))
}

function shardsByEnd(shards: readonly Shard[]): Map<bigint, Shard[]> {
  const byEnd = new Map<bigint, Shard[]>()
  for (const shard of shards) {
    const same = byEnd.get(shard.endingHashKey)
    if (same === undefined) byEnd.set(shard.endingHashKey, [shard])
    else same.push(shard)
  }
  return byEnd
}

/** Shards with what was between them before `millis`; undefined where that is gone. */
function tilesWith(
  shards: Shard[],
  millis: number,
  byEnd: ReadonlyMap<bigint, readonly Shard[]>,
): Shard[] | undefined {
  const tiles: (Shard | undefined)[] = []
  const fill = (end: bigint) =>
    byEnd.get(end)?.find(({ createdMillis, closing }) => {
      return createdMillis < millis && (closing === undefined || closing.closedMillis > millis)
    })
  let next = 0n
  for (const shard of inHashOrder(shards)) {
    if (shard.startingHashKey !== next) tiles.push(fill(shard.startingHashKey - 1n))
    tiles.push(shard)
    next = shard.endingHashKey + 1n
  }
  if (next <= hashKeyMax) tiles.push(fill(hashKeyMax))
  return tiles.includes(undefined) ? undefined : (tiles as Shard[])
}
