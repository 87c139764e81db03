/** One queue of batches, of which one is on its way at a time. */

import type { PutProducer } from '../wire/put-builder.ts'
import type { ProducerBatch } from './producer-batch.ts'

export const bucketCount = 1024
const sequenceMax = 2 ** 32 - 1

/** The bucket of a key. */
export function bucketOf(key: string): number {
  let hash = 0
  for (let i = 0; i < key.length; i += 1) hash = (Math.imul(hash, 31) + key.charCodeAt(i)) | 0
  return (hash ^ (hash >>> 15)) & (bucketCount - 1)
}

/** The key by which a record is kept in order. Those that have none share one, and need none. */
export function orderKeyOf({ key }: { readonly key?: string | undefined }): string {
  return key ?? ''
}

export class Lane {
  /** In the order in which they are sent; the last one may still take records. */
  readonly batches: ProducerBatch[] = []
  /** The first batch is on its way. */
  isBusy = false
  /** Nothing is sent before, on the producer's clock. */
  notBefore = 0
  /** Whether it is for a shard that refused records for the time being. */
  readonly isAside: boolean
  readonly #newId: () => bigint
  #producerId: bigint
  #sequence = 0

  /** `newId` draws the ids under which the broker knows the lane. */
  constructor(newId: () => bigint, isAside = false) {
    this.isAside = isAside
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
