/**
 * Addresses from which tokens come that are wrong: they are refused before any work on one. The
 * addresses of a network of IPv6 count as one.
 */

import { addressBlock } from '../address-block.ts'
import { TokenBucket } from './token-bucket.ts'

/**
 * Addresses that are remembered: one more, and those that have rested longest are forgotten. Fixed:
 * so that a flood of addresses takes no memory to speak of.
 */
const addressesMax = 10_000

export class Failures {
  readonly #burst: number
  readonly #perSecond: number
  readonly #now: () => number
  readonly #buckets = new Map<string, TokenBucket>()

  constructor(burst: number, perSecond: number, now: () => number) {
    this.#burst = burst
    this.#perSecond = perSecond
    this.#now = now
  }

  /** Milliseconds for which no token of the address is looked at; 0: it is. */
  waitMillis(address: string): number {
    return this.#buckets.get(addressBlock(address))?.waitMillis(this.#now()) ?? 0
  }

  note(address: string): void {
    const now = this.#now()
    const block = addressBlock(address)
    const bucket = this.#buckets.get(block) ?? new TokenBucket(this.#perSecond, this.#burst, now)
    // Those that are used move behind the others.
    this.#buckets.delete(block)
    this.#buckets.set(block, bucket)
    // No debt: many that are checked at the same time would keep the address out for hours.
    if (bucket.waitMillis(now) === 0) bucket.take(1)
    if (this.#buckets.size <= addressesMax) return
    const [oldest] = this.#buckets.keys()
    this.#buckets.delete(oldest as string)
  }
}
