/**
 * Which shards of a consumer a worker gets that asks for some, and where it begins. Pure;
 * lease-keeper.ts carries it out. PROTOCOL.md R49 to R52.
 */

import { leasesPerRequestMax } from '../../limits.ts'
import { areParentsDone } from '../../shard/lineage.ts'
import type { Shard } from '../../shard/shard.ts'
import type { CheckpointPlace, Consumer } from '../../stream/consumer-table.ts'
import type { ShardIteratorType } from '../../wire/operations.ts'

/** A lease as it is right now. */
export interface LeaseNow {
  readonly workerId: string
  readonly counter: bigint
  /** Whether anybody may take it. */
  readonly isExpired: boolean
}

export interface LeaseQuestion {
  /** The worker that asks. */
  readonly workerId: string
  /** All workers, this one among them, with how many leases each wants at most. */
  readonly workers: ReadonlyMap<string, number>
  /** Indexes of the shards that can be worked on, ascending. */
  readonly available: readonly number[]
  /** By the index of the shard. */
  readonly leases: ReadonlyMap<number, LeaseNow>
  /** Shards that have been free for so long that nobody seems to come whose share they are. */
  readonly overdue: ReadonlySet<number>
  /** Whether the worker has been there for so long that others leave it some of theirs. */
  readonly isSettled: boolean
}

/**
 * The shards that can be worked on, by their indexes: those that are not finished and all of whose
 * parents are, or are not there any more. Records of a key go from a parent to its children.
 */
export function availableShards(
  shards: ReadonlyMap<number, Shard>,
  checkpoints: ReadonlyMap<number, CheckpointPlace>,
): number[] {
  const isDone = (index: number) => checkpoints.get(index) === 'finished'
  return [...shards.values()]
    .filter((it) => !isDone(it.index))
    .filter((it) => areParentsDone(it, shards, isDone))
    .map((it) => it.index)
    .sort((a, b) => a - b)
}

/**
 * Whether a worker that begins a shard is to get it from its first record on, and so to be told
 * where that is gone: the shard follows what the consumer has read or was there for, and begins
 * behind the place where its worker begins.
 */
export function isDueWhole(
  { index, parents, createdMillis }: Shard,
  consumer: Pick<Consumer, 'createdMillis' | 'checkpoints'>,
  start: {
    readonly startingPositionType: ShardIteratorType
    readonly timestamp?: number | undefined
  },
): boolean {
  const { checkpoints } = consumer
  if (parents.length === 0 || checkpoints.has(index)) return false
  const wasThere = consumer.createdMillis <= createdMillis
  if (!wasThere && !parents.some((it) => checkpoints.get(it) === 'finished')) return false
  const { startingPositionType: type, timestamp = Number.POSITIVE_INFINITY } = start
  return type === 'TRIM_HORIZON' || (type === 'AT_TIMESTAMP' && timestamp <= createdMillis)
}

/**
 * The indexes of the shards whose leases the worker gets: of those that nobody holds what it lacks
 * to its share; above it one that is overdue; or else, once it has settled, one of the worker that
 * holds the most, when that is at least two more.
 */
export function chooseLeases(question: LeaseQuestion): number[] {
  const { workerId, workers, available, leases, overdue, isSettled } = question
  const held = heldByWorker(available, leases)
  const own = held.get(workerId)?.length ?? 0
  const most = workers.get(workerId) ?? 0
  const wanted = Math.min(most, shareOf(available.length, workers))
  const free = freeShards(available, leases)
  if (own >= wanted) return own < most ? free.filter((it) => overdue.has(it)).slice(0, 1) : []
  if (free.length > 0) return free.slice(0, Math.min(wanted - own, leasesPerRequestMax))
  if (!isSettled) return []
  const richest = [...held.values()].reduce((a, b) => (b.length > a.length ? b : a), [])
  return richest.length >= own + 2 ? [newestOf(richest, leases)] : []
}

/** Those that nobody holds, or whose leases have expired. */
export function freeShards(
  available: readonly number[],
  leases: ReadonlyMap<number, LeaseNow>,
): number[] {
  return available.filter((index) => leases.get(index)?.isExpired ?? true)
}

/** The shards of each worker that holds any. */
function heldByWorker(
  available: readonly number[],
  leases: ReadonlyMap<number, LeaseNow>,
): Map<string, number[]> {
  const held = new Map<string, number[]>()
  for (const index of available) {
    const lease = leases.get(index)
    if (lease === undefined || lease.isExpired) continue
    const shards = held.get(lease.workerId)
    if (shards === undefined) held.set(lease.workerId, [index])
    else shards.push(index)
  }
  return held
}

/**
 * How many shards a worker has that wants as many as it can get: the lowest number at which all of
 * them are somebody's. What a worker does not want is the others'.
 */
export function shareOf(shardCount: number, workers: ReadonlyMap<string, number>): number {
  const wants = [...workers.values()].sort((a, b) => a - b)
  let left = shardCount
  let share = 0
  for (const [index, want] of wants.entries()) {
    share = Math.ceil(left / (wants.length - index))
    if (want >= share) return share
    left -= want
  }
  return share
}

/** The one that its worker has begun last: it has the least to lose by it. */
function newestOf(shards: readonly number[], leases: ReadonlyMap<number, LeaseNow>): number {
  const counterOf = (index: number) => leases.get(index)?.counter ?? 0n
  return shards.reduce((a, b) => (counterOf(b) > counterOf(a) ? b : a))
}
