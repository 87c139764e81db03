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
import { availableShards, chooseLeases, type LeaseNow } from './leases.ts'

/** A worker that has asked for leases. */
interface Asker {
  readonly askedMillis: number
  readonly leaseMillis: number
  readonly leasesMax: number
}

/** What is known of the workers of a consumer beside what is in the catalog. */
interface Workers {
  readonly askers: Map<string, Asker>
  /** By the counter of the lease: when it was acquired or renewed, if since the open. */
  readonly renewed: Map<bigint, number>
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

export interface Acquired {
  /** By the index of the shard. */
  readonly leases: ReadonlyMap<number, Lease>
  readonly workerCount: number
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
    await this.#consumers.write(() => {
      this.#consumers.requireCurrent(consumer)
      const workers = this.#greet(consumer, request)
      workerCount = workers.size
      for (const shardIndex of this.#choose(consumer, request.workerId, workers)) {
        leases.set(shardIndex, this.#makeLease(consumer, request))
      }
      return leaseRecords(consumer, leases)
    })
    this.#forgetRenewals(consumer)
    return { leases, workerCount }
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
    })
    this.#sendOff(consumer, workerId)
  }

  #holds(consumer: Consumer, workerId: string, { shardIndex, leaseCounter }: HeldLease): boolean {
    const lease = consumer.leases.get(shardIndex)
    return lease?.workerId === workerId && lease.counter === leaseCounter
  }

  #workersOf(consumer: Consumer): Workers {
    let workers = this.#workers.get(consumer)
    if (workers === undefined) {
      workers = { askers: new Map(), renewed: new Map() }
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
    askers.set(workerId, { askedMillis: now, leaseMillis, leasesMax })
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

  #choose(
    consumer: Consumer,
    workerId: string,
    workers: ReadonlyMap<string, number>,
  ): readonly number[] {
    const shards = this.#consumers.streamOf(consumer)?.shards
    if (shards === undefined) return []
    const available = availableShards(shards, consumer.checkpoints)
    const leases = new Map<number, LeaseNow>()
    for (const shardIndex of available) {
      const lease = this.leaseOf(consumer, shardIndex)
      if (lease !== undefined) leases.set(shardIndex, lease)
    }
    return chooseLeases({ workerId, workers, available, leases })
  }

  /** One that counts as renewed from now on: it must not seem expired the moment it is there. */
  #makeLease(consumer: Consumer, { workerId, leaseMillis }: AcquireRequest): Lease {
    this.#lastCounter += 1n
    this.#renew(consumer, this.#lastCounter)
    return { workerId, counter: this.#lastCounter, millis: leaseMillis }
  }
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
