/** Readers that wait at the end of a shard. Unordered: each of them may leave at any time. */

export interface TailWaiter {
  readonly position: bigint
  moved(committedEnd: bigint, closed: boolean): void
  failed(error: unknown): void
}

/** What the waiters ask about a shard, by slot. */
export interface TailProgress {
  committedEnd(slot: number): bigint
  /** Whether the shard takes no more records, and all that it took are committed. */
  isClosed(slot: number): boolean
  /** Why reading cannot go on; undefined while it can. */
  stopReason(slot: number): unknown
}

export class TailWaiters {
  readonly #shards = new Map<number, Set<TailWaiter>>()

  get isEmpty(): boolean {
    return this.#shards.size === 0
  }

  add(slot: number, waiter: TailWaiter): void {
    const waiters = this.#shards.get(slot)
    if (waiters === undefined) this.#shards.set(slot, new Set([waiter]))
    else waiters.add(waiter)
  }

  remove(slot: number, waiter: TailWaiter): void {
    const waiters = this.#shards.get(slot)
    waiters?.delete(waiter)
    if (waiters?.size === 0) this.#shards.delete(slot)
  }

  settle(progress: TailProgress): void {
    for (const [slot, waiters] of this.#shards) {
      const reason = progress.stopReason(slot)
      const closed = progress.isClosed(slot)
      // Behind it: what was committed before a close is read.
      const end = progress.committedEnd(slot)
      for (const waiter of waiters) {
        if (end > waiter.position || closed) {
          this.remove(slot, waiter)
          waiter.moved(end, closed)
        } else if (reason !== undefined) {
          this.remove(slot, waiter)
          waiter.failed(reason)
        }
      }
    }
  }

  failAll(error: unknown): void {
    const all = [...this.#shards.values()].flatMap((waiters) => [...waiters])
    this.#shards.clear()
    for (const waiter of all) waiter.failed(error)
  }
}
