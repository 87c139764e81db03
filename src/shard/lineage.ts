/**
 * Which shards of a stream can be read, and when: records of a key go from a shard to its children
 * when it is split or merged, so a child is read after all of its parents. Pure.
 */

import type { Shard } from './shard.ts'

/** Whether all parents of a shard have been read to their ends, or are not in the stream. */
export function areParentsDone(
  shard: Shard,
  shards: ReadonlyMap<number, Shard>,
  isDone: (index: number) => boolean,
): boolean {
  return shard.parents.every((parent) => isDone(parent) || !shards.has(parent))
}

/** Adds the indexes of all shards from which the keys of a shard came. */
export function addAncestors(
  shard: Shard,
  shards: ReadonlyMap<number, Shard>,
  to: Set<number>,
): void {
  for (const index of shard.parents) {
    const parent = shards.get(index)
    if (to.has(index) || parent === undefined) continue
    to.add(index)
    addAncestors(parent, shards, to)
  }
}
