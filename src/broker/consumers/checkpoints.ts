/**
 * Checkpoints of consumers. They are by far the most frequent changes of the catalog, so all that
 * wait while one write is under way are written together, and of each shard the newest alone.
 */

import { MillraceError } from '../../errors.ts'
import {
  type CheckpointPlace,
  type Consumer,
  type ConsumerRecord,
  checkpointRecords,
} from '../../stream/consumer-table.ts'
import type { StreamConsumers } from '../../stream/stream-consumers.ts'
import { shardIdText } from '../../wire/shard-id-text.ts'
import type { LeaseNow } from './leases.ts'

/** Checkpoints that are looked at for one write; the rest is for the next one. */
const checkpointsPerWriteMax = 10_000

export interface WantedCheckpoint {
  readonly shardIndex: number
  readonly place: CheckpointPlace
  /** Of the lease under which the shard was read. */
  readonly leaseCounter?: bigint | undefined
}

interface Waiting extends WantedCheckpoint {
  readonly consumer: Consumer
  resolve(): void
  reject(error: unknown): void
}

/**
 * Throws a MillraceError when the checkpoint cannot be set: LEASE_LOST, CHECKPOINT_REGRESSED.
 * `stored` is the one that it replaces.
 */
export function checkCheckpoint(
  wanted: WantedCheckpoint,
  stored: CheckpointPlace | undefined,
  lease: LeaseNow | undefined,
): void {
  const { shardIndex, place, leaseCounter } = wanted
  const shard = shardIdText(shardIndex)
  const isFenced =
    leaseCounter === undefined ? lease?.isExpired === false : lease?.counter !== leaseCounter
  if (isFenced) throw leaseLost(shard, lease, leaseCounter)
  if (stored === undefined || place === 'finished') return
  if (stored !== 'finished' && place >= stored) return
  throw new MillraceError(
    'CHECKPOINT_REGRESSED',
    `The checkpoint of shard ${shard} is ${stored === 'finished' ? 'at its end' : stored}; ` +
      `it cannot be set back to ${place}.`,
  )
}

function leaseLost(
  shard: string,
  lease: LeaseNow | undefined,
  given: bigint | undefined,
): MillraceError {
  const held = lease === undefined ? 'is not leased' : `is leased by ${lease.workerId}`
  const came = given === undefined ? 'without a lease counter' : `under lease counter ${given}`
  const current = lease === undefined ? '' : `; that of the lease is ${lease.counter}`
  return new MillraceError(
    'LEASE_LOST',
    `Shard ${shard} ${held}: a checkpoint came ${came}${current}.`,
  )
}

export class Checkpoints {
  readonly #consumers: StreamConsumers
  readonly #leaseOf: (consumer: Consumer, shardIndex: number) => LeaseNow | undefined
  #waiting: Waiting[] = []
  #isWriting = false

  constructor(
    consumers: StreamConsumers,
    leaseOf: (consumer: Consumer, shardIndex: number) => LeaseNow | undefined,
  ) {
    this.#consumers = consumers
    this.#leaseOf = leaseOf
  }

  /**
   * Answers when it, or a later one of the same shard, is on disk. Rejects: LEASE_LOST,
   * CHECKPOINT_REGRESSED, CONSUMER_NOT_FOUND, DISK_FULL, LOG_FAILED.
   */
  set(consumer: Consumer, wanted: WantedCheckpoint): Promise<void> {
    return new Promise((resolve, reject) => {
      this.#waiting.push({ ...wanted, consumer, resolve, reject })
      this.#write()
    })
  }

  #write(): void {
    if (this.#isWriting || this.#waiting.length === 0) return
    this.#isWriting = true
    void this.#writeOnce().finally(() => {
      this.#isWriting = false
      this.#write()
    })
  }

  /** Writes those that wait when the turn of this write has come. */
  async #writeOnce(): Promise<void> {
    let written: Waiting[] = []
    try {
      await this.#consumers.write(() => {
        const taken = this.#waiting.splice(0, checkpointsPerWriteMax)
        const places = new Map<Consumer, Map<number, CheckpointPlace>>()
        written = taken.filter((it) => this.#take(it, places))
        return recordsOf(places)
      })
      for (const it of written) it.resolve()
    } catch (error) {
      for (const it of written) it.reject(error)
    }
  }

  /** Adds it to what is written; what is refused is answered right away. */
  #take(wanted: Waiting, places: Map<Consumer, Map<number, CheckpointPlace>>): boolean {
    const { consumer, shardIndex, place } = wanted
    try {
      this.#consumers.requireCurrent(consumer)
      const earlier = places.get(consumer) ?? new Map<number, CheckpointPlace>()
      const stored = earlier.get(shardIndex) ?? consumer.checkpoints.get(shardIndex)
      checkCheckpoint(wanted, stored, this.#leaseOf(consumer, shardIndex))
      if (place !== stored) places.set(consumer, earlier.set(shardIndex, place))
      return true
    } catch (error) {
      wanted.reject(error)
      return false
    }
  }
}

function recordsOf(places: Map<Consumer, Map<number, CheckpointPlace>>): ConsumerRecord[] {
  return Array.from(places).flatMap(([consumer, its]) => [...checkpointRecords(consumer, its)])
}
