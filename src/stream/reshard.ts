/**
 * Splitting and merging the shards of a stream. CATALOG.md has the steps: each is in the catalog
 * when it is done, and an open does those that are left.
 */

import { shardCountUpdatesDefault } from '../limits.ts'
import type { SequenceNumber, ShardId, ShardStats } from '../log/log.ts'
import { type Shard, shardIndexOf } from '../shard/shard.ts'
import type { mergeShards, RequestOf, splitShard, updateShardCount } from '../wire/operations.ts'
import type { CatalogRecord } from './catalog-records.ts'
import { shardRecords, switchRecord } from './catalog-state.ts'
import { uniformHashRanges } from './hash-ranges.ts'
import { createNamed } from './named-shards.ts'
import {
  checkCanSplit,
  checkProvisioned,
  checkShardCount,
  type Move,
  mergeOf,
  middleOf,
  movesTo,
  rangesOf,
  requireOpenShard,
  roundTo,
  shardsCreatedTo,
  splitOf,
  updatedAgain,
} from './reshard-plan.ts'
import { openShards, type Replacement, type Reshard, routedShards, type Stream } from './stream.ts'
import type { StreamHost } from './stream-host.ts'

/**
 * Of the change that shows the children: what was put to them cannot be read before it, so a full
 * disk must not hold it up.
 */
const endsWaiting = { usesReserve: true }

/** Sequence numbers that a shard can give between the creation of its children and its end. */
const sequenceNumbersAhead = 2n ** 32n

/** What a request asks for. */
interface Wanted {
  readonly replacements: readonly Replacement[]
  readonly moves: readonly Move[]
  readonly targetShardCount?: number
  readonly records?: readonly CatalogRecord[]
}

export interface ShardCountUpdate {
  /** Of open shards, when it was asked for. */
  readonly currentShardCount: number
  readonly moves: readonly Move[]
}

export interface ReshardingLimits {
  /** Throws LIMIT_EXCEEDED when there cannot be so many more shards. */
  readonly checkRoom: (shardCount: number) => void
  /** How often UpdateShardCount works for a stream; 10 unless it is given. */
  readonly updatesPerDay?: number | undefined
}

export class Resharding {
  readonly #host: StreamHost
  readonly #checkRoom: (shardCount: number) => void
  readonly #updatesPerDay: number

  constructor(host: StreamHost, { checkRoom, updatesPerDay }: ReshardingLimits) {
    this.#host = host
    this.#checkRoom = checkRoom
    this.#updatesPerDay = updatesPerDay ?? shardCountUpdatesDefault
  }

  /**
   * Answers which keys will move, when that is in the catalog; the stream is ACTIVE again some time
   * after it. With `dryRun` nothing is done. Rejects: SHARD_NOT_FOUND, STREAM_NOT_FOUND,
   * STREAM_IN_USE, LIMIT_EXCEEDED, INVALID_ARGUMENT, DISK_FULL, LOG_FAILED.
   */
  async split(request: RequestOf<typeof splitShard>): Promise<readonly Move[]> {
    const { streamName, shardToSplit, newStartingHashKey, dryRun } = request
    const index = shardIndexOf(shardToSplit, streamName)
    return await this.#reshard(streamName, dryRun, (stream) => {
      const shard = requireOpenShard(stream, index)
      checkCanSplit(stream)
      this.#checkRoom(2)
      const key = newStartingHashKey ?? middleOf(shard)
      return only(stream, splitOf(streamName, shard, key))
    })
  }

  /** As `split`. */
  async merge(request: RequestOf<typeof mergeShards>): Promise<readonly Move[]> {
    const { streamName, shardToMerge, adjacentShardToMerge, dryRun } = request
    const indexes = [shardToMerge, adjacentShardToMerge].map((it) => shardIndexOf(it, streamName))
    return await this.#reshard(streamName, dryRun, (stream) => {
      const [lower, upper] = indexes.map((it) => requireOpenShard(stream, it)) as [Shard, Shard]
      this.#checkRoom(1)
      return only(stream, mergeOf(streamName, lower, upper))
    })
  }

  /** As `split`: towards so many uniform ranges, by as many splits and merges as it takes. */
  async updateShardCount(request: RequestOf<typeof updateShardCount>): Promise<ShardCountUpdate> {
    const { streamName, targetShardCount, dryRun } = request
    let currentShardCount = 0
    const moves = await this.#reshard(streamName, dryRun, (stream) => {
      const open = openShards(stream)
      currentShardCount = open.length
      checkShardCount(stream, targetShardCount)
      this.#checkRoom(shardsCreatedTo(open, targetShardCount))
      // What is only tried does not count, and so is not refused either.
      const millis = dryRun === true ? [] : this.#updatedAgain(stream)
      return {
        replacements: roundTo(open, targetShardCount),
        moves: movesTo(open, uniformHashRanges(targetShardCount)),
        targetShardCount,
        records: [{ kind: 'shardCountUpdatesSet', streamNumber: stream.number, millis }],
      }
    })
    return { currentShardCount, moves }
  }

  /**
   * Begins a reshard that a stream in ON_DEMAND mode has decided on by itself. Answers false, with
   * nothing done, where the stream is not as it was any more. Rejects: LIMIT_EXCEEDED, DISK_FULL,
   * LOG_FAILED.
   */
  async replace({ number }: Stream, replacements: readonly Replacement[]): Promise<boolean> {
    const { catalog } = this.#host
    let isBegun = false
    await catalog.change(() => {
      const stream = catalog.state.byNumber(number)
      isBegun = stream !== undefined && this.#canReplace(stream, replacements)
      if (!isBegun) return []
      this.#checkRoom(replacements.reduce((sum, it) => sum + it.startingHashKeys.length, 0))
      return [begunRecord(number, { replacements })]
    })
    if (isBegun) this.#host.startWork(number)
    return isBegun
  }

  #canReplace(stream: Stream, replacements: readonly Replacement[]): boolean {
    if (stream.mode !== 'ON_DEMAND' || stream.status !== 'ACTIVE') return false
    const parents = replacements.flatMap((it) => it.parents)
    const areOpen = parents.every((it) => {
      const shard = stream.shards.get(it)
      return shard !== undefined && shard.closing === undefined
    })
    return areOpen && this.#host.isServing(stream)
  }

  /** Does the next step of a reshard that has begun. */
  async step(stream: Stream, reshard: Reshard): Promise<void> {
    if (reshard.children.length === 0) await this.#switchRoutes(stream, reshard)
    else await this.#closeParents(stream, reshard)
  }

  #updatedAgain(stream: Stream): readonly number[] {
    return updatedAgain(stream, this.#host.now(), this.#updatesPerDay)
  }

  async #reshard(
    streamName: string,
    dryRun: boolean | undefined,
    plan: (stream: Stream) => Wanted,
  ): Promise<readonly Move[]> {
    let moves: readonly Move[] = []
    let begun: number | undefined
    await this.#host.catalog.change(() => {
      const stream = this.#host.requireActive(streamName)
      checkProvisioned(stream)
      const wanted = plan(stream)
      moves = wanted.moves
      if (dryRun === true || wanted.replacements.length === 0) return []
      begun = stream.number
      return [begunRecord(stream.number, wanted), ...(wanted.records ?? [])]
    })
    if (begun !== undefined) this.#host.startWork(begun)
    return moves
  }

  /**
   * Makes the children. Everything is put to them from the moment on that the catalog names them:
   * also after a crash, so that no key goes back to its old shard.
   */
  async #switchRoutes({ number, shards }: Stream, reshard: Reshard): Promise<void> {
    const { now } = this.#host
    const parents = await this.#statsOf(parentsOf(reshard, shards))
    const firsts = reshard.replacements.flatMap(({ parents: indexes, startingHashKeys }) => {
      const ends = indexes.map((it) => (parents.get(it) as ShardStats).nextSequenceNumber)
      const first = highest(ends) + sequenceNumbersAhead
      return startingHashKeys.map(() => first as SequenceNumber)
    })
    await createNamed(this.#host, firsts, (numbers) => {
      if (!this.#isCurrent(number, reshard)) return []
      return [switchRecord(number, childrenOf(reshard, shards, { numbers, firsts, millis: now() }))]
    })
  }

  /**
   * Has everything put to the children, closes the parents for good, and then shows the children to
   * those who read.
   */
  async #closeParents({ number, shards }: Stream, reshard: Reshard): Promise<void> {
    const { log, catalog, now } = this.#host
    const parents = parentsOf(reshard, shards)
    this.#host.changed(number)
    await log.sealShards(parents.map((it) => it.number))
    const stats = await this.#statsOf(parents)
    const closedMillis = closingTime(parents, [...stats.values()], now())
    const closed = parents.map((shard) => closedShard(shard, stats, closedMillis))
    const children = reshard.children.map((it) => ({ ...it, createdMillis: closedMillis }))
    let isDone = false
    await catalog.change(() => {
      isDone = this.#isCurrent(number, reshard)
      if (!isDone) return []
      const routed = routedShards(catalog.state.byNumber(number) as Stream)
      return [
        ...shardRecords(number, [...closed, ...children]),
        recordAfter(number, routed, reshard),
      ]
    }, endsWaiting)
    if (isDone) this.#host.changed(number)
  }

  /** Whether a reshard is what is to be done; else the stream is being deleted. */
  #isCurrent(streamNumber: number, reshard: Reshard): boolean {
    const stream = this.#host.catalog.state.byNumber(streamNumber)
    return stream?.reshard === reshard && stream.status === 'UPDATING'
  }

  async #statsOf(shards: readonly Shard[]): Promise<Map<number, ShardStats>> {
    const stats = new Map<number, ShardStats>()
    for (const { index, number } of shards) {
      stats.set(index, await this.#host.log.shardStats(number))
    }
    return stats
  }
}

function only(stream: Stream, replacement: Replacement): Wanted {
  const ranges = rangesOf(replacement, stream.shards)
  return { replacements: [replacement], moves: movesTo(openShards(stream), ranges) }
}

function begunRecord(
  streamNumber: number,
  { replacements, targetShardCount }: Pick<Reshard, 'replacements' | 'targetShardCount'>,
): CatalogRecord {
  return { kind: 'reshardBegun', streamNumber, replacements, targetShardCount }
}

/** The next round, or that the stream is ACTIVE: given the shards that are open then. */
function recordAfter(
  streamNumber: number,
  open: readonly Shard[],
  { targetShardCount }: Reshard,
): CatalogRecord {
  const replacements = targetShardCount === undefined ? [] : roundTo(open, targetShardCount)
  return replacements.length > 0
    ? begunRecord(streamNumber, { replacements, targetShardCount })
    : { kind: 'statusSet', streamNumber, status: 'ACTIVE' }
}

function parentsOf({ replacements }: Reshard, shards: Stream['shards']): Shard[] {
  return replacements.flatMap((it) => it.parents).map((index) => shards.get(index) as Shard)
}

interface Made {
  readonly numbers: readonly ShardId[]
  readonly firsts: readonly SequenceNumber[]
  readonly millis: number
}

/** The new shards: they have the next indexes of the stream, in the order of the replacements. */
function childrenOf(
  { replacements }: Reshard,
  shards: Stream['shards'],
  { numbers, firsts, millis }: Made,
): Shard[] {
  const firstIndex = Math.max(...shards.keys()) + 1
  const places = replacements.flatMap((replacement) =>
    rangesOf(replacement, shards).map((range) => ({ range, parents: replacement.parents })),
  )
  return places.map(({ range, parents }, at) => ({
    ...range,
    index: firstIndex + at,
    number: numbers[at] as ShardId,
    startingSequenceNumber: firsts[at] as SequenceNumber,
    createdMillis: millis,
    parents,
  }))
}

/**
 * When shards count as closed and their children as made: behind all that arrived in the former,
 * so that whoever begins at a time misses nothing, and each was open for some time.
 */
function closingTime(parents: readonly Shard[], stats: readonly ShardStats[], now: number): number {
  const created = parents.map((it) => it.createdMillis + 1)
  const arrived = stats.map((it) => it.lastArrivalMillis + 1)
  return Math.max(now, ...created, ...arrived)
}

/** Its end is its last record, or the number that would have been its first one. */
function closedShard(
  shard: Shard,
  stats: ReadonlyMap<number, ShardStats>,
  closedMillis: number,
): Shard {
  const { nextSequenceNumber } = stats.get(shard.index) as ShardStats
  const last = highest([nextSequenceNumber - 1n, shard.startingSequenceNumber])
  return { ...shard, closing: { endingSequenceNumber: last as SequenceNumber, closedMillis } }
}

function highest(numbers: readonly bigint[]): bigint {
  let found = 0n
  for (const it of numbers) if (it > found) found = it
  return found
}
