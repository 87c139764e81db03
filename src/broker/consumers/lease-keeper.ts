/**
 * The leases of the shards of consumers. Who holds which is in the catalog, durable before anybody
 * is told; renewals are in memory alone, so that after an open every lease counts as just renewed.
 * No timers: a lease has expired when somebody looks.
 */

import { MillraceError } from '../../errors.ts'
import { workersPerConsumerMax } from '../../limits.ts'
import type { Consumer, ConsumerRecord, Lease } from '../../stream/consumer-table.ts'
import type { StreamConsumers } from '../../stream/stream-consumers.ts'
import { shardIdText } from '../../wire/shard-id-text.ts'
import { availableShards, chooseLeases, freeShards, type LeaseNow } from './leases.ts'

/**
 * A shard that is free is kept for the worker whose share it is for this part of the time of a
 * lease. One that has died a moment ago still has a share, and never asks for it.
 */
const keptShare = 0.1

/**
 * A worker takes nothing of others before it has been there for this part of its lease, a round:
 * what it takes is read again from the last checkpoint on, and many die soon after they came.
 */
const settlingShare = 1 / 3

/** Shards have no owner meanwhile: what changes leases waits for no checkpoints and splits. */
const isUrgent = { isUrgent: true } as const

/** A worker that has asked for leases. */
interface Asker {
  /** Since when it has been there. */
  readonly sinceMillis: number
  readonly askedMillis: number
  readonly leaseMillis: number
  readonly leasesMax: number
}

/** What is known of the workers of a consumer beside what is in the catalog. */
interface Workers {
  readonly askers: Map<string, Asker>
  /** By the counter of the lease: when it was acquired or renewed, if since the open. */
  readonly renewed: Map<bigint, number>
  /** By the index of the shard: since when it was seen to be free. */
  readonly freeSince: Map<number, number>
}

export interface AcquireRequest {
  readonly workerId: string
  readonly leaseMillis: number
  readonly leasesMax?: number | undefined
}

/** A lease that a worker believes to hold. */
export interface HeldLease {
  readonly shardIndex: number
  readonly leaseCounter: bigint
}

interface Choice {
  readonly chosen: readonly number[]
  readonly left: readonly number[]
  readonly waits: boolean
}

export interface Acquired {
  /** By the index of the shard. */
  readonly leases: ReadonlyMap<number, Lease>
  readonly workerCount: number
  /** After so many milliseconds there may be more; undefined where that is not to be expected. */
  readonly askAgainMillis: number | undefined
}

export class LeaseKeeper {
  readonly #consumers: StreamConsumers
  /** Milliseconds of a clock that never goes back. */
  readonly #elapsed: () => number
  readonly #openedMillis: number
  readonly #workers = new WeakMap<Consumer, Workers>()

  /** Counters up to this one are taken, be it for leases that could not be written down. */
  #lastCounter: bigint

  constructor(consumers: StreamConsumers, elapsed: () => number) {
    this.#consumers = consumers
    this.#lastCounter = consumers.highestLeaseCounter
    this.#elapsed = elapsed
    this.#openedMillis = elapsed()
  }

  /** The lease of a shard, also one that has expired and that nobody has taken yet. */
  leaseOf(consumer: Consumer, shardIndex: number): LeaseNow | undefined {
    const lease = consumer.leases.get(shardIndex)
    if (lease === undefined) return undefined
    const isExpired = this.#millisLeft(consumer, lease) <= 0
    return { workerId: lease.workerId, counter: lease.counter, isExpired }
  }

  /** How long the lease of a shard is still held; 0 for one that has expired. */
  millisLeft(consumer: Consumer, shardIndex: number): number {
    const lease = consumer.leases.get(shardIndex)
    if (lease === undefined) return 0
    return Math.max(0, Math.ceil(this.#millisLeft(consumer, lease)))
  }

  /**
   * Gives a worker what it lacks to its share. Rejects: CONSUMER_NOT_FOUND, LIMIT_EXCEEDED,
   * DISK_FULL, LOG_FAILED.
   */
  async acquire(consumer: Consumer, request: AcquireRequest): Promise<Acquired> {
    const leases = new Map<number, Lease>()
    let workerCount = 0
    let askAgainMillis: number | undefined
    await this.#consumers.write(() => {
      this.#consumers.requireCurrent(consumer)
      // What was given before is in the catalog now. Behind the write others may be on their way.
      this.#forgetRenewals(consumer)
      const workers = this.#greet(consumer, request)
      workerCount = workers.size
      const { chosen, left, waits } = this.#choose(consumer, request, workers)
      const settling = waits ? [this.#millisToSettle(consumer, request)] : []
      askAgainMillis = this.#askAgain(consumer, request, chosen.length, left, settling)
      for (const shardIndex of chosen) leases.set(shardIndex, this.#makeLease(consumer, request))
      return leaseRecords(consumer, leases)
    }, isUrgent)
    return { leases, workerCount, askAgainMillis }
  }

  /** Renews leases of a worker; answers those that are not its any more. */
  renew<Held extends HeldLease>(
    consumer: Consumer,
    workerId: string,
    held: readonly Held[],
  ): Held[] {
    return held.filter((it) => {
      const isHeld = this.#holds(consumer, workerId, it)
      if (isHeld) this.#renew(consumer, it.leaseCounter)
      return !isHeld
    })
  }

  /** Rejects: LEASE_LOST, CONSUMER_NOT_FOUND, DISK_FULL, LOG_FAILED. */
  async release(consumer: Consumer, workerId: string, held: HeldLease): Promise<void> {
    const { shardIndex, leaseCounter } = held
    await this.#consumers.write(() => {
      this.#consumers.requireCurrent(consumer)
      if (!this.#holds(consumer, workerId, held)) throw notHeld(workerId, held)
      const leaseMillis = consumer.leases.get(shardIndex)?.millis ?? 0
      const { streamNumber, name: consumerName } = consumer
      const leases = [{ shardIndex, leaseCounter, leaseMillis }]
      return [{ kind: 'leasesSet', streamNumber, consumerName, leases }]
    }, isUrgent)
    this.#sendOff(consumer, workerId)
  }

  #holds(consumer: Consumer, workerId: string, { shardIndex, leaseCounter }: HeldLease): boolean {
    const lease = consumer.leases.get(shardIndex)
    return lease?.workerId === workerId && lease.counter === leaseCounter
  }

  #workersOf(consumer: Consumer): Workers {
    let workers = this.#workers.get(consumer)
    if (workers === undefined) {
      workers = { askers: new Map(), renewed: new Map(), freeSince: new Map() }
      this.#workers.set(consumer, workers)
    }
    return workers
  }

  #millisLeft(consumer: Consumer, lease: Lease): number {
    const since = this.#workersOf(consumer).renewed.get(lease.counter) ?? this.#openedMillis
    return since + lease.millis - this.#elapsed()
  }

  #renew(consumer: Consumer, counter: bigint): void {
    this.#workersOf(consumer).renewed.set(counter, this.#elapsed())
  }

  /** Of leases that are held no more. */
  #forgetRenewals(consumer: Consumer): void {
    const { renewed } = this.#workersOf(consumer)
    const held = new Set(Array.from(consumer.leases.values(), (it) => it.counter))
    for (const counter of renewed.keys()) if (!held.has(counter)) renewed.delete(counter)
  }

  /**
   * Notes that a worker has asked; answers all that are there, with how many leases each wants.
   * Those that are not are forgotten.
   */
  #greet(consumer: Consumer, request: AcquireRequest): Map<string, number> {
    const { workerId, leaseMillis, leasesMax = Number.POSITIVE_INFINITY } = request
    const { askers } = this.#workersOf(consumer)
    const alive = this.#holdersOf(consumer)
    const now = this.#elapsed()
    for (const [id, asker] of askers) {
      if (asker.askedMillis + asker.leaseMillis > now) alive.add(id)
      else if (!alive.has(id)) askers.delete(id)
    }
    if (!alive.has(workerId) && alive.size >= workersPerConsumerMax) {
      throw new MillraceError(
        'LIMIT_EXCEEDED',
        `Consumer ${consumer.name} has ${alive.size} workers, at most ${workersPerConsumerMax}.`,
        { retryAfterMs: leaseMillis },
      )
    }
    const sinceMillis = askers.get(workerId)?.sinceMillis ?? now
    askers.set(workerId, { sinceMillis, askedMillis: now, leaseMillis, leasesMax })
    alive.add(workerId)
    return new Map(
      Array.from(alive, (id) => [id, askers.get(id)?.leasesMax ?? Number.POSITIVE_INFINITY]),
    )
  }

  #holdersOf(consumer: Consumer): Set<string> {
    const holders = new Set<string>()
    for (const lease of consumer.leases.values()) {
      if (this.#millisLeft(consumer, lease) > 0) holders.add(lease.workerId)
    }
    return holders
  }

  /** A worker that gives back its last lease is on its way out, and none to be reckoned with. */
  #sendOff(consumer: Consumer, workerId: string): void {
    if (!this.#holdersOf(consumer).has(workerId)) this.#workersOf(consumer).askers.delete(workerId)
  }

  /** What the worker gets, what is left, and whether it would get more had it settled. */
  #choose(
    consumer: Consumer,
    { workerId, leaseMillis }: AcquireRequest,
    workers: ReadonlyMap<string, number>,
  ): Choice {
    const shards = this.#consumers.streamOf(consumer)?.shards
    if (shards === undefined) return { chosen: [], left: [], waits: false }
    const available = availableShards(shards, consumer.checkpoints)
    const leases = new Map<number, LeaseNow>()
    for (const shardIndex of available) {
      const lease = this.leaseOf(consumer, shardIndex)
      if (lease !== undefined) leases.set(shardIndex, lease)
    }
    const free = freeShards(available, leases)
    const since = this.#noteFree(consumer, free)
    const overdueSince = this.#elapsed() - leaseMillis * keptShare
    const overdue = new Set(free.filter((it) => (since.get(it) ?? 0) <= overdueSince))
    const isSettled = this.#millisToSettle(consumer, { workerId, leaseMillis }) <= 0
    const question = { workerId, workers, available, leases, overdue, isSettled }
    const chosen = chooseLeases(question)
    const left = free.filter((it) => !chosen.includes(it))
    const isEmpty = chosen.length === 0 && !isSettled
    const waits = isEmpty && chooseLeases({ ...question, isSettled: true }).length > 0
    return { chosen, left, waits }
  }

  #millisToSettle(consumer: Consumer, { workerId, leaseMillis }: AcquireRequest): number {
    const now = this.#elapsed()
    const since = this.#workersOf(consumer).askers.get(workerId)?.sinceMillis ?? now
    return Math.ceil(since + leaseMillis * settlingShare - now)
  }

  #noteFree(consumer: Consumer, free: readonly number[]): ReadonlyMap<number, number> {
    const { freeSince } = this.#workersOf(consumer)
    const now = this.#elapsed()
    const before = new Map(freeSince)
    freeSince.clear()
    for (const index of free) freeSince.set(index, before.get(index) ?? now)
    return freeSince
  }

  /**
   * How long it is to the first time at which a lease of somebody else expires, a free shard is
   * overdue or one whose share it may be is no worker any more, or the worker has settled and waits
   * for that; undefined for one that has as many as it wants.
   */
  #askAgain(
    consumer: Consumer,
    { workerId, leaseMillis, leasesMax }: AcquireRequest,
    chosenCount: number,
    left: readonly number[],
    settling: readonly number[],
  ): number | undefined {
    const { askers, freeSince } = this.#workersOf(consumer)
    const now = this.#elapsed()
    const held = [...consumer.leases.values()].filter((it) => this.#millisLeft(consumer, it) > 0)
    const others = held.filter((it) => it.workerId !== workerId)
    if (held.length - others.length + chosenCount >= (leasesMax ?? Infinity)) return undefined
    const ofOthers = others.map((it) => this.#millisLeft(consumer, it))
    const overdue = left.map((it) => (freeSince.get(it) ?? now) + leaseMillis * keptShare - now)
    // A worker asks right behind a renewal: one that died is reckoned with a little longer than its
    // leases last.
    const gone = left.length === 0 ? [] : leavingMillis(askers, workerId, now)
    const first = Math.min(...ofOthers, ...overdue, ...settling, ...gone)
    return first === Number.POSITIVE_INFINITY ? undefined : Math.max(1, Math.ceil(first))
  }

  /** One that counts as renewed from now on: it must not seem expired the moment it is there. */
  #makeLease(consumer: Consumer, { workerId, leaseMillis }: AcquireRequest): Lease {
    this.#lastCounter += 1n
    this.#renew(consumer, this.#lastCounter)
    return { workerId, counter: this.#lastCounter, millis: leaseMillis }
  }
}

/** How long workers other than this one count as such unless they ask again. */
function leavingMillis(
  askers: ReadonlyMap<string, Asker>,
  workerId: string,
  now: number,
): number[] {
  return Array.from(askers)
    .filter(([id]) => id !== workerId)
    .map(([, { askedMillis, leaseMillis }]) => askedMillis + leaseMillis - now)
    .filter((millis) => millis > 0)
}

function leaseRecords(
  { streamNumber, name: consumerName }: Consumer,
  leases: ReadonlyMap<number, Lease>,
): ConsumerRecord[] {
  if (leases.size === 0) return []
  const rows = Array.from(leases, ([shardIndex, { workerId, counter, millis }]) => ({
    shardIndex,
    leaseCounter: counter,
    leaseMillis: millis,
    workerId,
  }))
  return [{ kind: 'leasesSet', streamNumber, consumerName, leases: rows }]
}

function notHeld(workerId: string, { shardIndex, leaseCounter }: HeldLease): MillraceError {
  return new MillraceError(
    'LEASE_LOST',
    `Worker ${workerId} does not hold lease ${leaseCounter} of shard ${shardIdText(shardIndex)}.`,
  )
}
