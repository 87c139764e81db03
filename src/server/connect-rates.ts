/**
 * How fast connections are let in: a crowd that comes back after a restart, or a flood, must leave
 * time for who is there. Where they come too fast, each address still gets a few, so that one of
 * them keeps nobody else out.
 */

import { TokenBucket } from './access/token-bucket.ts'
import { addressBlock } from './address-block.ts'

export interface ConnectLimits {
  readonly connectsPerSecond: number
  readonly connectsBurst: number
}

/** What an address gets beside the others: so many at once, and so many a second from then on. */
const sparedBurst = 10
const sparedPerSecond = 1
/** Addresses that are remembered: one more, and those that have rested longest are forgotten. */
const addressesMax = 10_000

export class ConnectRates {
  readonly #all: TokenBucket
  readonly #now: () => number
  readonly #spared = new Map<string, TokenBucket>()

  constructor({ connectsPerSecond, connectsBurst }: ConnectLimits, now: () => number) {
    this.#all = new TokenBucket(connectsPerSecond, connectsBurst, now())
    this.#now = now
  }

  /** Counts one more; milliseconds after which it may come again, 0: it is let in. */
  waitMillis(remoteAddress: string): number {
    const now = this.#now()
    const millis = this.#all.waitMillis(now)
    if (millis === 0) {
      this.#all.take(1)
      return 0
    }
    const spared = this.#sparedOf(addressBlock(remoteAddress), now)
    if (spared.waitMillis(now) > 0) return millis
    spared.take(1)
    return 0
  }

  #sparedOf(block: string, now: number): TokenBucket {
    const spared = this.#spared.get(block) ?? new TokenBucket(sparedPerSecond, sparedBurst, now)
    // Those that are used move behind the others.
    this.#spared.delete(block)
    this.#spared.set(block, spared)
    if (this.#spared.size > addressesMax) {
      const [oldest] = this.#spared.keys()
      this.#spared.delete(oldest as string)
    }
    return spared
  }
}
