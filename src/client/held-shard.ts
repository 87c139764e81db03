/** What a worker knows of a shard that it holds the lease of. Pure. */

import type { FollowedShard, LastingSubscription } from './lasting-subscription.ts'
import type { ShardLease } from './pushed-batches.ts'

/** A checkpoint to be written; without a number the shard has been worked off to its end. */
export interface DueCheckpoint {
  readonly nextSequenceNumber: bigint | undefined
}

export class HeldShard implements ShardLease {
  readonly shardId: string
  readonly leaseCounter: bigint
  subscription: LastingSubscription | undefined
  /** As the subscription has it, once it has begun. */
  shard: FollowedShard | undefined
  /** Answers when the subscription has begun, or never will. */
  started: Promise<void> | undefined
  /** Whether it is another worker's by now. */
  isLost = false
  /** The one write of a checkpoint that is on its way. */
  writing: Promise<void> | undefined
  /** The record that is delivered next, and the one to be worked off next. */
  #delivered: bigint | undefined
  #next: bigint | undefined
  /** What follows the last records that were delivered: up to `#delivered` there are no others. */
  #recordsEnd: bigint | undefined
  /** As the broker has it. */
  #stored: bigint | undefined
  #hasEnded = false
  #isEndStored = false

  /** `stored` is the checkpoint that there is. */
  constructor(lease: ShardLease, stored: bigint | undefined) {
    this.shardId = lease.shardId
    this.leaseCounter = lease.leaseCounter
    this.#stored = stored
  }

  /** It is read from here on; what it begins with is settled once and for all. */
  begin(next: bigint): void {
    this.#delivered ??= next
    this.#next ??= next
  }

  deliver(next: bigint): void {
    this.#delivered = next
    this.#recordsEnd = next
  }

  /** Everything up to here has been sent; that there were no records is worked off at once. */
  reach(next: bigint): void {
    if (this.#next === this.#delivered) this.#next = next
    this.#delivered = next
  }

  workOff(next: bigint): void {
    const isAll = this.#recordsEnd !== undefined && next >= this.#recordsEnd
    const place = isAll ? (this.#delivered ?? next) : next
    if (this.#next === undefined || place > this.#next) this.#next = place
  }

  /** What was delivered is all that there will ever be. */
  end(): void {
    this.#hasEnded = true
  }

  /** Whether everything that there will ever be has been worked off. */
  get isThrough(): boolean {
    return this.#hasEnded && this.#next === this.#delivered
  }

  get due(): DueCheckpoint | undefined {
    if (this.isThrough) return this.#isEndStored ? undefined : { nextSequenceNumber: undefined }
    const nextSequenceNumber = this.#next
    const isStored = nextSequenceNumber === undefined || nextSequenceNumber === this.#stored
    return isStored ? undefined : { nextSequenceNumber }
  }

  stored({ nextSequenceNumber }: DueCheckpoint): void {
    if (nextSequenceNumber === undefined) this.#isEndStored = true
    else this.#stored = nextSequenceNumber
  }
}
