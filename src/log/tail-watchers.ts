/**
 * Who watches the ends of shards. One wake-up of the log goes through all shards that are watched,
 * and there may be thousands, so a look at one costs a few loads and makes no bigint.
 */

import type { SlotWords } from './committed-positions.ts'

class WatchedShard {
  readonly watchers = new Set<() => void>()
  readonly #slot: SlotWords
  #endLow: number
  #endHigh: number
  #state: number

  constructor(slot: SlotWords) {
    this.#slot = slot
    const { words, endAt, stateAt } = slot
    this.#endLow = Atomics.load(words, endAt)
    this.#endHigh = Atomics.load(words, endAt + 1)
    this.#state = Atomics.load(words, stateAt)
  }

  /** Whether anything has changed since the last look. The halves need not belong together. */
  hasMoved(): boolean {
    const { words, endAt, stateAt } = this.#slot
    const low = Atomics.load(words, endAt)
    const high = Atomics.load(words, endAt + 1)
    const state = Atomics.load(words, stateAt)
    if (low === this.#endLow && high === this.#endHigh && state === this.#state) return false
    this.#endLow = low
    this.#endHigh = high
    this.#state = state
    return true
  }
}

export class TailWatchers {
  readonly #shards = new Map<number, WatchedShard>()

  get isEmpty(): boolean {
    return this.#shards.size === 0
  }

  /** `moved` is told of what changes from now on. */
  add(slot: number, moved: () => void, words: SlotWords): void {
    let shard = this.#shards.get(slot)
    if (shard === undefined) {
      shard = new WatchedShard(words)
      this.#shards.set(slot, shard)
    }
    shard.watchers.add(moved)
  }

  remove(slot: number, moved: () => void): void {
    const shard = this.#shards.get(slot)
    shard?.watchers.delete(moved)
    if (shard?.watchers.size === 0) this.#shards.delete(slot)
  }

  settle(): void {
    for (const shard of this.#shards.values()) {
      if (!shard.hasMoved()) continue
      for (const moved of shard.watchers) moved()
    }
  }

  /** The log is closed. They are told once more, and never again. */
  tellAll(): void {
    const all = [...this.#shards.values()].flatMap((it) => [...it.watchers])
    this.#shards.clear()
    for (const moved of all) moved()
  }
}
