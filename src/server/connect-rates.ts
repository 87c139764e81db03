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

/** What all of them get beside the others at once, at least: as fast as is set from then on. */
const allSparedBurstMin = 100
/**
 * What an address gets beside the others: so many at once, and so many a second from then on.
 * Fixed: enough for clients that come back, and `connectsPerSecond` bounds all of them again.
 */
const sparedBurst = 10
const sparedPerSecond = 1
/**
 * Addresses that are remembered. One more gets nothing beside the others unless that which was seen
 * the longest ago has its few back: it would get them anew, as often as it is forgotten. Fixed: so
 * that a flood of addresses takes no memory to speak of.
 */
const addressesMax = 10_000

export class ConnectRates {
  readonly #all: TokenBucket
  /** What all addresses get beside it: a network of IPv6 has thousands of them. */
  readonly #allSpared: TokenBucket
  readonly #now: () => number
  readonly #spared = new Map<string, TokenBucket>()

  constructor({ connectsPerSecond, connectsBurst }: ConnectLimits, now: () => number) {
    this.#all = new TokenBucket(connectsPerSecond, connectsBurst, now())
    const sparedAtOnce = Math.max(connectsBurst, allSparedBurstMin)
    this.#allSpared = new TokenBucket(connectsPerSecond, sparedAtOnce, now())
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
    if (this.#allSpared.waitMillis(now) > 0) return millis
    const spared = this.#sparedOf(addressBlock(remoteAddress), now)
    if (spared === undefined || spared.waitMillis(now) > 0) return millis
    spared.take(1)
    this.#allSpared.take(1)
    return 0
  }

  #sparedOf(block: string, now: number): TokenBucket | undefined {
    const known = this.#spared.get(block)
    if (known === undefined && !this.#hasRoom(now)) return undefined
    const spared = known ?? new TokenBucket(sparedPerSecond, sparedBurst, now)
    // Those that are used move behind the others.
    this.#spared.delete(block)
    this.#spared.set(block, spared)
    return spared
  }

  /** For one more address: that which was seen the longest ago is forgotten, if it has rested. */
  #hasRoom(now: number): boolean {
    if (this.#spared.size < addressesMax) return true
    const [oldest] = this.#spared
    if (oldest === undefined || !oldest[1].isFull(now)) return false
    return this.#spared.delete(oldest[0])
  }
}
