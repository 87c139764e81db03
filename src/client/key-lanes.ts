/**
 * Keeps the records of a key in order while many requests are on their way. Every batch belongs to
 * a lane, and a lane has one request on its way at a time. Keys fall into buckets, and while any
 * record of a bucket is held, the later ones of it go to the same lane behind it.
 */

import type { PutProducer } from '../wire/put-builder.ts'
import type { ProducerBatch } from './producer-batch.ts'

const bucketCount = 1024
const sequenceMax = 2 ** 32 - 1

/** The bucket of a key. */
export function bucketOf(key: string): number {
  let hash = 0
  for (let i = 0; i < key.length; i += 1) hash = (Math.imul(hash, 31) + key.charCodeAt(i)) | 0
  return (hash ^ (hash >>> 15)) & (bucketCount - 1)
}

export class Lane {
  /** In the order in which they are sent; the last one may still take records. */
  readonly batches: ProducerBatch[] = []
  /** The first batch is on its way. */
  isBusy = false
  readonly #newId: () => bigint
  #producerId: bigint
  #sequence = 0

  /** `newId` draws the ids under which the broker knows the lane. */
  constructor(newId: () => bigint) {
    this.#newId = newId
    this.#producerId = newId()
  }

  /** The batch that takes records. */
  get open(): ProducerBatch | undefined {
    const last = this.batches.at(-1)
    return last === undefined || last.sealed ? undefined : last
  }

  /** The name of the next request; before its number wraps the lane takes a new id. */
  nextProducer(): PutProducer {
    if (this.#sequence === sequenceMax) this.renew()
    const producerSequence = this.#sequence
    this.#sequence += 1
    return { producerId: this.#producerId, producerSequence }
  }

  /** Begins again under a new id. */
  renew(): void {
    this.#producerId = this.#newId()
    this.#sequence = 0
  }
}

export class KeyLanes {
  readonly all: readonly Lane[]
  /** Records held per bucket, and the lane that has them. */
  readonly #held = new Uint32Array(bucketCount)
  readonly #laneOf = new Uint8Array(bucketCount)
  #filling = 0

  constructor(count: number, newId: () => bigint) {
    this.all = Array.from({ length: count }, () => new Lane(newId))
  }

  /** The lane for a record of this bucket, which is held from now on. */
  hold(bucket: number): Lane {
    if (this.#held[bucket] === 0) this.#laneOf[bucket] = this.#choose()
    this.#held[bucket] = (this.#held[bucket] as number) + 1
    return this.all[this.#laneOf[bucket] as number] as Lane
  }

  release(bucket: number): void {
    this.#held[bucket] = (this.#held[bucket] as number) - 1
  }

  /**
   * The lane that fills a request, so that requests get full; another one where that can send at
   * once. With all lanes busy and no request to be filled, the one that has least to send.
   */
  #choose(): number {
    const filling = this.all[this.#filling] as Lane
    const canFill = filling.open !== undefined
    if (canFill && filling.batches.length === 1) return this.#filling
    let best = this.#filling
    let least = canFill ? 1 : Number.POSITIVE_INFINITY
    for (let index = 0; index < this.all.length && least > 0; index += 1) {
      const { length } = (this.all[index] as Lane).batches
      if (length >= least) continue
      best = index
      least = length
    }
    this.#filling = best
    return best
  }
}
