/** How far each shard of a stream has been delivered. */

import type { ShardDescription } from '../wire/operations.ts'
import type { ShardPosition } from './resume-token.ts'
import { allChildrenBegun, type BegunShards } from './shard-lineage.ts'

export class ReadProgress implements BegunShards {
  readonly #positions = new Map<string, ShardPosition>()

  /** The positions now; they do not change when the progress does. */
  get positions(): readonly ShardPosition[] {
    return [...this.#positions.values()]
  }

  /** The next record of a shard to be delivered. */
  reach({ shardId, shardNumber }: ShardDescription, next: bigint): void {
    this.#positions.set(shardId, { shardId, shardNumber, next })
  }

  /** A shard has been delivered to its end. */
  end({ shardId, shardNumber }: ShardDescription): void {
    this.#positions.set(shardId, { shardId, shardNumber })
  }

  isBeingRead(shardId: string): boolean {
    return this.#positions.get(shardId)?.next !== undefined
  }

  /** Whether a shard is being read, or has been. */
  isKnown(shardId: string): boolean {
    return this.#positions.has(shardId)
  }

  /** Forgets shards that are done and whose children are all begun: those stand for them. */
  prune(shards: readonly ShardDescription[]): void {
    for (const { shardId, next } of this.#positions.values()) {
      const isDone = next === undefined
      if (isDone && allChildrenBegun(shardId, shards, (it) => this.#positions.has(it))) {
        this.#positions.delete(shardId)
      }
    }
  }
}
