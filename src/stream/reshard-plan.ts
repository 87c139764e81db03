/**
 * Which shards a split, a merge, or another number of shards replaces, and by what. KINESIS 2.3,
 * 2.4 and 2.6 have the rules. Pure.
 */

import { MillraceError } from '../errors.ts'
import { shardCountMax } from '../limits.ts'
import type { Shard } from '../shard/shard.ts'
import { shardIdText } from '../wire/shard-id-text.ts'
import { oneMore } from './daily-limit.ts'
import { type HashRange, uniformHashRanges } from './hash-ranges.ts'
import { openShards, type Replacement, type Stream } from './stream.ts'

/**
 * Replacements of one round of an UpdateShardCount. The records that are put to the new shards of a
 * round wait for their readers until all of the old ones are closed, one after the other.
 */
export const replacementsPerRoundMax = 100

/** Keys that go to a new shard, and the open shards that have them now. */
export interface Move extends HashRange {
  readonly from: readonly Shard[]
}

/** Throws a MillraceError, INVALID_ARGUMENT, where shards are not the matter of users. */
export function checkProvisioned({ name, mode }: Stream): void {
  if (mode === 'PROVISIONED') return
  throw new MillraceError(
    'INVALID_ARGUMENT',
    `Request is invalid. Stream ${name} is in On-Demand mode. Set it to PROVISIONED first.`,
  )
}

/**
 * A shard that can be split or merged. Throws a MillraceError: SHARD_NOT_FOUND; INVALID_ARGUMENT
 * for one that is closed.
 */
export function requireOpenShard(stream: Stream, index: number): Shard {
  const shard = stream.shards.get(index)
  if (shard === undefined) {
    throw new MillraceError(
      'SHARD_NOT_FOUND',
      `Could not find shard ${shardIdText(index)} in stream ${stream.name}.`,
    )
  }
  if (shard.closing === undefined) return shard
  throw new MillraceError(
    'INVALID_ARGUMENT',
    `Shard ${shardIdText(index)} in stream ${stream.name} has already been merged or split, ` +
      'and thus is not eligible for merging or splitting.',
  )
}

/** Throws a MillraceError, LIMIT_EXCEEDED, where a stream has as many open shards as it may. */
export function checkCanSplit(stream: Stream): void {
  const count = openShards(stream).length
  if (count < shardCountMax) return
  throw new MillraceError(
    'LIMIT_EXCEEDED',
    `Stream ${stream.name} has ${count} open shards, and a stream has at most ${shardCountMax}: ` +
      'merge others first, or put to another stream, too.',
  )
}

/** Where the keys of a range are halved. */
export function middleOf({ startingHashKey, endingHashKey }: HashRange): bigint {
  return (startingHashKey + endingHashKey + 1n) / 2n
}

/** Whether a shard with such a range can be split before a key. */
export function canSplitAt({ startingHashKey, endingHashKey }: HashRange, key: bigint): boolean {
  return startingHashKey + 1n < key && key < endingHashKey
}

/** Splits before a key. Throws a MillraceError, INVALID_ARGUMENT. */
export function splitOf(streamName: string, shard: Shard, key: bigint): Replacement {
  const { index, startingHashKey, endingHashKey } = shard
  if (canSplitAt(shard, key)) {
    return { parents: [index], startingHashKeys: [startingHashKey, key] }
  }
  throw new MillraceError(
    'INVALID_ARGUMENT',
    `NewStartingHashKey ${key} used in SplitShard() on shard ${shardIdText(index)} ` +
      `in stream ${streamName} is not both greater than one plus the shard's ` +
      `StartingHashKey ${startingHashKey} and less than the shard's ` +
      `EndingHashKey ${endingHashKey}.`,
  )
}

/** Merges a shard with the one above it. Throws a MillraceError, INVALID_ARGUMENT. */
export function mergeOf(streamName: string, lower: Shard, upper: Shard): Replacement {
  if (lower.endingHashKey + 1n === upper.startingHashKey) return mergedPair(lower, upper)
  throw new MillraceError(
    'INVALID_ARGUMENT',
    `Shards ${shardIdText(lower.index)} and ${shardIdText(upper.index)} ` +
      `in stream ${streamName} are not an adjacent pair of shards eligible for merging`,
  )
}

function mergedPair(lower: Shard, upper: Shard): Replacement {
  return { parents: [lower.index, upper.index], startingHashKeys: [lower.startingHashKey] }
}

/**
 * The splits and merges that come next on the way to `shardCount` uniform ranges; none when they
 * are there. Each round splits what lies across a wanted boundary, at the middle one where there
 * are several, and merges pairs of what lies at an unwanted one, so that there are few rounds.
 */
export function roundTo(open: readonly Shard[], shardCount: number): Replacement[] {
  const wanted = startsOf(shardCount)
  const isWanted = new Set(wanted)
  const round: Replacement[] = []
  let passed = 0
  let mergeable: Shard | undefined
  for (const shard of open) {
    if (round.length >= replacementsPerRoundMax) break
    while (isUpTo(wanted[passed], shard.startingHashKey)) passed += 1
    const first = passed
    while (isUpTo(wanted[passed], shard.endingHashKey)) passed += 1
    if (passed > first) {
      const middle = wanted[(first + passed) >>> 1] as bigint
      round.push({
        parents: [shard.index],
        startingHashKeys: [shard.startingHashKey, middle],
      })
      mergeable = undefined
    } else if (mergeable !== undefined && !isWanted.has(shard.startingHashKey)) {
      round.push(mergedPair(mergeable, shard))
      mergeable = undefined
    } else {
      mergeable = shard
    }
  }
  return round
}

/** How many shards all rounds create together. Those that they replace stay until they expire. */
export function shardsCreatedTo(open: readonly Shard[], shardCount: number): number {
  const wanted = new Set(startsOf(shardCount))
  const present = new Set(open.map((it) => it.startingHashKey))
  const missing = [...wanted].filter((it) => !present.has(it)).length
  const unwanted = [...present].filter((it) => !wanted.has(it)).length
  return 2 * missing + unwanted
}

/** What moves when ranges, ascending, are to have shards of their own. */
export function movesTo(open: readonly Shard[], ranges: readonly HashRange[]): Move[] {
  const moves: Move[] = []
  let first = 0
  for (const { startingHashKey, endingHashKey } of ranges) {
    while ((open[first] as Shard).endingHashKey < startingHashKey) first += 1
    let end = first + 1
    while (end < open.length && (open[end] as Shard).startingHashKey <= endingHashKey) end += 1
    const move = { startingHashKey, endingHashKey, from: open.slice(first, end) }
    if (!isThere(move)) moves.push(move)
  }
  return moves
}

function isThere({ startingHashKey, endingHashKey, from }: Move): boolean {
  const [only] = from
  return only?.startingHashKey === startingHashKey && only.endingHashKey === endingHashKey
}

/** The ranges of the shards that take the place of others. */
export function rangesOf(
  { parents, startingHashKeys }: Replacement,
  shards: ReadonlyMap<number, Shard>,
): HashRange[] {
  const last = shards.get(parents.at(-1) as number) as Shard
  return startingHashKeys.map((startingHashKey, at) => {
    const next = startingHashKeys[at + 1]
    return { startingHashKey, endingHashKey: next === undefined ? last.endingHashKey : next - 1n }
  })
}

/** Throws a MillraceError, INVALID_ARGUMENT, for a number of shards that is too far away. */
export function checkShardCount(stream: Stream, shardCount: number): void {
  const current = openShards(stream).length
  const most = 2 * current
  const least = Math.ceil(current / 2)
  if (shardCount >= least && shardCount <= most) return
  const wrong = shardCount > most ? 'scale up over double' : 'scale down below half'
  throw new MillraceError(
    'INVALID_ARGUMENT',
    `UpdateShardCount cannot ${wrong} your current open shard count. Stream ${stream.name} ` +
      `has ${current} open shards; the target of ${shardCount} is not within ${least} and ` +
      `${most}. Go there in several steps.`,
  )
}

/**
 * The times of the changes of the number of shards with one more of them, now. Throws a
 * MillraceError, LIMIT_EXCEEDED, when there were `max` within a day.
 */
export function updatedAgain(stream: Stream, nowMillis: number, max: number): readonly number[] {
  return oneMore(stream.shardCountUpdates, nowMillis, {
    max,
    what: `UpdateShardCount was called for stream ${stream.name}`,
    consequence:
      `it keeps its ${openShards(stream).length} open shards; split or merge them one by one, ` +
      'or raise limits.shardCountUpdatesPerDay of the broker',
  })
}

function startsOf(shardCount: number): bigint[] {
  return uniformHashRanges(shardCount).map((it) => it.startingHashKey)
}

function isUpTo(start: bigint | undefined, key: bigint): boolean {
  return start !== undefined && start <= key
}
