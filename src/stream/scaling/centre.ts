/** Where the load of a shard is halved, judged by some of its records. Pure. */

import type { HashRange } from '../hash-ranges.ts'
import { canSplitAt, middleOf } from '../reshard-plan.ts'

/** A record, or several of one key: where it goes, and what it counts for. */
export interface LoadPoint {
  readonly hashKey: bigint
  readonly weight: number
}

/** A record as it was read; undefined where it has no key, and so might have gone anywhere. */
export interface ReadPoint {
  readonly hashKey: bigint | undefined
  readonly weight: number
}

export interface Centre {
  /** Where the upper one of two shards would best begin. */
  readonly hashKey: bigint
  /** The part of the load that a single key has: it can go to no two shards. */
  readonly largestShare: number
}

/** Fewer say nothing. */
const pointsMin = 20
/** The middle, with shards of one size, is as good as what is better by this; if it is any good. */
const middleBonus = 0.1
const middleShareMax = 0.75

interface Cut {
  readonly hashKey: bigint
  /** The part of the load that the hotter side would have. */
  readonly share: number
}

/**
 * Undefined where that cannot be told: few records, or many that are elsewhere, as explicit hash
 * keys stand in no record.
 */
export function centreOf(range: HashRange, points: readonly ReadPoint[]): Centre | undefined {
  const inside = spread(range, points).filter(
    ({ hashKey }) => range.startingHashKey <= hashKey && hashKey <= range.endingHashKey,
  )
  if (inside.length < pointsMin || inside.length < points.length / 2) return undefined
  const keys = sumByKey(inside)
  const total = keys.reduce((sum, it) => sum + it.weight, 0)
  const middle = middleOf(range)
  if (!canSplitAt(range, middle)) return undefined
  const middleShare = shareAt(keys, middle) / total
  const bonus = middleShare <= middleShareMax ? middleBonus : 0
  let best: Cut = { hashKey: middle, share: middleShare - bonus }
  let below = 0
  keys.forEach((it, at) => {
    const before = keys[at - 1]
    if (before !== undefined) {
      const hashKey = (before.hashKey + it.hashKey + 1n) / 2n
      const share = Math.max(below, total - below) / total
      if (share < best.share && canSplitAt(range, hashKey)) best = { hashKey, share }
    }
    below += it.weight
  })
  const largest = Math.max(...keys.map((it) => it.weight))
  return { hashKey: best.hashKey, largestShare: largest / total }
}

/** Records without a key come from everywhere in the range. */
function spread(
  { startingHashKey, endingHashKey }: HashRange,
  points: readonly ReadPoint[],
): LoadPoint[] {
  const count = BigInt(points.filter((it) => it.hashKey === undefined).length)
  const width = endingHashKey - startingHashKey
  let before = 0n
  return points.map(({ hashKey, weight }) => {
    if (hashKey !== undefined) return { hashKey, weight }
    before += 1n
    return { hashKey: startingHashKey + (width * before) / (count + 1n), weight }
  })
}

/** The weight of the heavier side of a cut. */
function shareAt(keys: readonly LoadPoint[], cut: bigint): number {
  let below = 0
  let above = 0
  for (const { hashKey, weight } of keys) {
    if (hashKey < cut) below += weight
    else above += weight
  }
  return Math.max(below, above)
}

function sumByKey(points: readonly LoadPoint[]): LoadPoint[] {
  const weights = new Map<bigint, number>()
  for (const { hashKey, weight } of points) {
    weights.set(hashKey, (weights.get(hashKey) ?? 0) + weight)
  }
  return Array.from(weights, ([hashKey, weight]) => ({ hashKey, weight })).sort((a, b) =>
    a.hashKey < b.hashKey ? -1 : 1,
  )
}
