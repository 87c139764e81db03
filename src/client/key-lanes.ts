/**
 * Keeps the records of a key in order while many requests are on their way. Every batch belongs to
 * a lane, and a lane has one request on its way at a time. Keys fall into buckets, and while any
 * record of a bucket is held, the later ones of it go to the same lane behind it.
 *
 * A key whose shard has no room for the time being goes aside, to a lane of that shard. What is
 * held of it in a lane of its bucket is later than what is aside, and follows it before it is sent.
 */

import { bucketCount, Lane } from './lane.ts'
import { SideLanes } from './side-lanes.ts'

export class KeyLanes {
  readonly #usual: readonly Lane[]
  readonly aside: SideLanes
  /** Records held per bucket, and the lane that has them. */
  readonly #held = new Uint32Array(bucketCount)
  readonly #laneOf = new Uint8Array(bucketCount)
  #filling = 0

  constructor(count: number, newId: () => bigint) {
    this.#usual = Array.from({ length: count }, () => new Lane(newId))
    this.aside = new SideLanes(newId)
  }

  *all(): Generator<Lane> {
    yield* this.#usual
    yield* this.aside.all
  }

  /** The lane for a record of this key and its bucket, which is held from now on. */
  hold(key: string, bucket: number): Lane {
    if (this.#held[bucket] === 0) {
      const aside = this.aside.hold(key)
      if (aside !== undefined) return aside
      this.#laneOf[bucket] = this.#choose()
    }
    this.#held[bucket] = (this.#held[bucket] as number) + 1
    return this.#usual[this.#laneOf[bucket] as number] as Lane
  }

  /** A record that `hold` gave this lane, or that went aside to it, is held no more. */
  release({ isAside }: Lane, key: string, bucket: number): void {
    if (isAside) this.aside.release(key)
    else this.#held[bucket] = (this.#held[bucket] as number) - 1
  }

  /**
   * The lane that fills a request, so that requests get full; another one where that can send at
   * once. With all lanes busy and no request to be filled, the one that has least to send.
   */
  #choose(): number {
    const filling = this.#usual[this.#filling] as Lane
    const canFill = filling.open !== undefined
    if (canFill && filling.batches.length === 1) return this.#filling
    let best = this.#filling
    let least = canFill ? 1 : Number.POSITIVE_INFINITY
    for (let index = 0; index < this.#usual.length && least > 0; index += 1) {
      const { length } = (this.#usual[index] as Lane).batches
      if (length >= least) continue
      best = index
      least = length
    }
    this.#filling = best
    return best
  }
}
