/**
 * Where the records of a key wait whose shard has no room for the time being: in a lane of that
 * shard, so that they hold up nothing that goes to others. A key stays there until none of its
 * records is held any more.
 */

import { bucketCount, bucketOf, Lane } from './lane.ts'

interface SideKey {
  readonly lane: Lane
  /** Records that are held, or wait to be. */
  held: number
}

export class SideLanes {
  readonly #newId: () => bigint
  /**
   * By the id of the shard, for good: a lane is a producer of its own, and the shards remember so
   * many of those.
   */
  readonly #lanes = new Map<string, Lane>()
  readonly #keys = new Map<string, SideKey>()
  /** How many keys of each bucket are here. */
  readonly #keysOfBucket = new Uint32Array(bucketCount)

  constructor(newId: () => bigint) {
    this.#newId = newId
  }

  get all(): Iterable<Lane> {
    return this.#lanes.values()
  }

  /** Whether a key of one of the buckets may be here. */
  mayHave(buckets: readonly number[]): boolean {
    return this.#keys.size > 0 && buckets.some((it) => this.#keysOfBucket[it] !== 0)
  }

  /** The lane of a key that is here. */
  laneOf(key: string): Lane | undefined {
    return this.#keys.get(key)?.lane
  }

  /** One more record of a key; undefined, and nothing is done, when the key is not here. */
  hold(key: string): Lane | undefined {
    const known = this.#keys.get(key)
    if (known !== undefined) known.held += 1
    return known?.lane
  }

  /** As `hold`; a key that was not here comes to the lane of its shard. */
  move(key: string, shardId: string): Lane {
    if (!this.#keys.has(key)) {
      this.#keys.set(key, { lane: this.#laneFor(shardId), held: 0 })
      this.#count(key, 1)
    }
    return this.hold(key) as Lane
  }

  release(key: string): void {
    const known = this.#keys.get(key) as SideKey
    known.held -= 1
    if (known.held > 0) return
    this.#keys.delete(key)
    this.#count(key, -1)
  }

  #laneFor(shardId: string): Lane {
    const known = this.#lanes.get(shardId)
    if (known !== undefined) return known
    const lane = new Lane(this.#newId, true)
    this.#lanes.set(shardId, lane)
    return lane
  }

  #count(key: string, change: number): void {
    const bucket = bucketOf(key)
    this.#keysOfBucket[bucket] = (this.#keysOfBucket[bucket] as number) + change
  }
}
