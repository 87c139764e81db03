/**
 * How much of one shard of a PROVISIONED stream is read at a time, by all of its readers together.
 * Pure: times are arguments, in milliseconds of a clock that never goes back.
 */

import { shardReadBytesPerSecondMax, shardReadsPerSecondMax } from '../limits.ts'

const secondMillis = 1000

/** What is read of a shard at most, by all of its readers together. */
export interface ReadQuotaLimits {
  readonly readsPerSecond: number
  readonly bytesPerSecond: number
}

export const kinesisReadLimits: ReadQuotaLimits = {
  readsPerSecond: shardReadsPerSecondMax,
  bytesPerSecond: shardReadBytesPerSecondMax,
}

export class ReadQuota {
  readonly #limits: ReadQuotaLimits
  /** When the last reads were admitted, as many as are within a second; the oldest first. */
  #reads: readonly number[] = []
  /** Until when what was read is worth, at the bytes of a second. */
  #spentUntil = Number.NEGATIVE_INFINITY
  /** Until when what was read beyond the bytes of a second is paid off. */
  #refusedUntil = Number.NEGATIVE_INFINITY

  constructor(limits: ReadQuotaLimits = kinesisReadLimits) {
    this.#limits = limits
  }

  /** How long a read has to wait; 0 = it is admitted, and counts. */
  admit(nowMillis: number): number {
    const [oldest = nowMillis] = this.#reads
    const isFull = this.#reads.length >= this.#limits.readsPerSecond
    const wait = Math.max(isFull ? oldest + secondMillis - nowMillis : 0, this.#wait(nowMillis))
    if (wait > 0) return wait
    const kept = this.#reads.slice(isFull ? 1 : 0)
    this.#reads = [...kept, nowMillis]
    return 0
  }

  /**
   * A read has answered so many bytes of keys and data. More than those of a second are paid off
   * in full before the next one: after an answer of 10 MiB that is 5 s.
   */
  charge(bytes: number, nowMillis: number): void {
    const millis = (bytes / this.#limits.bytesPerSecond) * secondMillis
    this.#spentUntil = Math.max(this.#spentUntil, nowMillis) + millis
    if (this.#spentUntil - nowMillis > secondMillis) this.#refusedUntil = this.#spentUntil
  }

  /** Whether it is as if nobody had ever read. */
  isFresh(nowMillis: number): boolean {
    const last = this.#reads.at(-1) ?? Number.NEGATIVE_INFINITY
    return this.#spentUntil <= nowMillis && last + secondMillis <= nowMillis
  }

  #wait(nowMillis: number): number {
    return Math.max(0, this.#refusedUntil - nowMillis)
  }
}
