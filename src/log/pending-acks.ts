/**
 * Appends that wait for their acknowledgement, per shard in the order of their end positions. No
 * timer: a wake-up of the log says that positions have moved, and the positions say which.
 */

/** What waits for a position to be committed. Exactly one of the two is called, once. */
export interface AckWaiter {
  reached(): void
  failed(error: unknown): void
}

class AckQueue {
  #ends: bigint[] = []
  #waiters: AckWaiter[] = []
  #head = 0

  get isEmpty(): boolean {
    return this.#head === this.#ends.length
  }

  add(end: bigint, waiter: AckWaiter): void {
    let place = this.#ends.length
    // Only a repeat of an idempotent producer is not the last: its batch was appended before.
    while (place > this.#head && (this.#ends[place - 1] as bigint) > end) place -= 1
    if (place === this.#ends.length) {
      this.#ends.push(end)
      this.#waiters.push(waiter)
    } else {
      this.#ends.splice(place, 0, end)
      this.#waiters.splice(place, 0, waiter)
    }
  }

  /** Takes out those that are committed. */
  takeReached(committedEnd: bigint): AckWaiter[] {
    const first = this.#head
    while (this.#head < this.#ends.length && (this.#ends[this.#head] as bigint) <= committedEnd) {
      this.#head += 1
    }
    const reached = this.#waiters.slice(first, this.#head)
    this.#dropTaken()
    return reached
  }

  takeAll(): AckWaiter[] {
    const all = this.#waiters.slice(this.#head)
    this.#head = this.#ends.length
    this.#dropTaken()
    return all
  }

  /** Taken places are dropped in bulk, so that taking is cheap however long the queue is. */
  #dropTaken(): void {
    if (this.isEmpty) {
      this.#ends = []
      this.#waiters = []
      this.#head = 0
    } else if (this.#head > 1024 && this.#head * 2 > this.#ends.length) {
      this.#ends.splice(0, this.#head)
      this.#waiters.splice(0, this.#head)
      this.#head = 0
    }
  }
}

/** What the queue asks about a shard, by slot. */
export interface ShardProgress {
  committedEnd(slot: number): bigint
  /** Why nothing more will be committed; undefined while it may. */
  stopReason(slot: number): unknown
}

export class PendingAcks {
  readonly #queues = new Map<number, AckQueue>()

  get isEmpty(): boolean {
    return this.#queues.size === 0
  }

  has(slot: number): boolean {
    return this.#queues.has(slot)
  }

  add(slot: number, end: bigint, waiter: AckWaiter): void {
    let queue = this.#queues.get(slot)
    if (queue === undefined) {
      queue = new AckQueue()
      this.#queues.set(slot, queue)
    }
    queue.add(end, waiter)
  }

  /** Tells everybody whose position was reached, or never will be. */
  settle(progress: ShardProgress): void {
    for (const [slot, queue] of this.#queues) {
      // The reason comes first: what was committed before a shard failed is acknowledged.
      const reason = progress.stopReason(slot)
      const reached = queue.takeReached(progress.committedEnd(slot))
      const failed = reason === undefined ? [] : queue.takeAll()
      if (queue.isEmpty) this.#queues.delete(slot)
      for (const waiter of reached) waiter.reached()
      for (const waiter of failed) waiter.failed(reason)
    }
  }

  /** The log is closed: nobody will be told any more. */
  failAll(error: unknown): void {
    const queues = [...this.#queues.values()]
    this.#queues.clear()
    for (const queue of queues) for (const waiter of queue.takeAll()) waiter.failed(error)
  }
}
