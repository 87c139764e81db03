/**
 * Which shards of a stream are read, and when. Records of a key go from a shard to its children
 * when it is split or merged, so a child is read after all of its parents. Pure.
 */

import type { ShardDescription } from '../wire/operations.ts'
import type { ShardPosition } from './resume-token.ts'

function parentsOf(shard: ShardDescription): string[] {
  return [shard.parentShardId, shard.adjacentParentShardId].filter((it) => it !== undefined)
}

/** What a reader has done: shards that it has begun, and those that it has not ended. */
export interface BegunShards {
  isKnown(shardId: string): boolean
  isBeingRead(shardId: string): boolean
}

/**
 * The children of a shard that has been read to its end that can be begun now: those none of whose
 * parents is still being read, or is to be. What came before a reader began is never to be.
 */
export function childrenToRead(
  endedShardId: string,
  shards: readonly ShardDescription[],
  begun: BegunShards,
): ShardDescription[] {
  const isPending = pendingShards(shards, begun)
  return shards.filter((it) => {
    const parents = parentsOf(it)
    const isNext = parents.includes(endedShardId) && !begun.isKnown(it.shardId)
    return isNext && !parents.some(isPending)
  })
}

/** Which shards are being read, or will be as they follow some that are known. */
function pendingShards(
  shards: readonly ShardDescription[],
  begun: BegunShards,
): (shardId: string) => boolean {
  const byId = new Map(shards.map((it) => [it.shardId, it]))
  // Shards that are split and merged in turn have more ways up than shards.
  const answers = new Map<string, boolean>()
  const isPending = (shardId: string): boolean => {
    if (begun.isKnown(shardId)) return begun.isBeingRead(shardId)
    const known = answers.get(shardId)
    if (known !== undefined) return known
    const shard = byId.get(shardId)
    const parents = shard === undefined ? [] : parentsOf(shard)
    const answer = parents.some((parent) => begun.isKnown(parent) || isPending(parent))
    answers.set(shardId, answer)
    return answer
  }
  return isPending
}

/** The children of a shard: of a later stream of the same name none are. */
export function childrenOf(
  { shardId, shardNumber }: ShardDescription,
  shards: readonly ShardDescription[],
): ShardDescription[] {
  const isOther = shards.some((it) => it.shardId === shardId && it.shardNumber !== shardNumber)
  return isOther ? [] : shards.filter((it) => parentsOf(it).includes(shardId))
}

/** Whether all children of a shard, and there are some, have been begun. */
export function allChildrenBegun(
  shardId: string,
  shards: readonly ShardDescription[],
  isKnown: (shardId: string) => boolean,
): boolean {
  const children = shards.filter((it) => parentsOf(it).includes(shardId))
  return children.length > 0 && children.every((it) => isKnown(it.shardId))
}

export interface ResumePlan {
  /** Shards that are there, and from where. */
  readonly found: readonly { readonly shard: ShardDescription; readonly position: ShardPosition }[]
  /** Positions in shards that are there no more: they, or the whole stream, were deleted. */
  readonly lost: readonly ShardPosition[]
  /** Shards to be read from their beginning: they come after what is lost. */
  readonly fresh: readonly ShardDescription[]
}

/** What a resume token asks for, with the shards that there are. */
export function planResume(
  positions: readonly ShardPosition[],
  shards: readonly ShardDescription[],
): ResumePlan {
  const byNumber = new Map(shards.map((it) => [it.shardNumber, it]))
  const byId = new Map(shards.map((it) => [it.shardId, it]))
  const found = positions.flatMap((position) => {
    const shard = byNumber.get(position.shardNumber)
    return shard === undefined ? [] : [{ shard, position }]
  })
  const known = new Set(found.map((it) => it.shard.shardId))
  const ancestors = new Set<string>()
  for (const { shard } of found) addAncestors(shard, byId, ancestors)
  // What comes from a known shard is begun when that ends; what comes before one has been read.
  const fresh = shards.filter((it) => {
    const own = addAncestors(it, byId, new Set<string>())
    const waits = [...own].some((id) => known.has(id) || byId.has(id))
    return !known.has(it.shardId) && !ancestors.has(it.shardId) && !waits
  })
  return {
    found,
    lost: positions.filter((it) => it.next !== undefined && !byNumber.has(it.shardNumber)),
    fresh,
  }
}

function addAncestors(
  shard: ShardDescription,
  byId: ReadonlyMap<string, ShardDescription>,
  to: Set<string>,
): Set<string> {
  for (const parent of parentsOf(shard)) {
    if (to.has(parent)) continue
    to.add(parent)
    const description = byId.get(parent)
    if (description !== undefined) addAncestors(description, byId, to)
  }
  return to
}
