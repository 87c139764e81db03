/**
 * The shards that have subscriptions of their own: which have been begun, and which of their
 * children can be begun. Pure.
 */

import type { ChildShard } from '../wire/operations.ts'
import { parseShardId } from '../wire/shard-id-text.ts'
import type { BegunShards } from './shard-lineage.ts'

export class OwnShards implements BegunShards {
  /** By index: whether it has been sent to its end. */
  readonly #isSent = new Map<number | undefined, boolean>()

  begin(shardId: string): void {
    this.#isSent.set(parseShardId(shardId), false)
  }

  /**
   * A shard has been sent to its end. Answers the children that can be begun now; undefined where
   * one of them has another parent that is not known: it may come behind a shard that is.
   */
  end(shardId: string, children: readonly ChildShard[]): string[] | undefined {
    this.#isSent.set(parseShardId(shardId), true)
    const parents = children.flatMap((it) => it.parentShards)
    if (!parents.every((it) => this.isKnown(it))) return undefined
    const ready = children.filter((child) => {
      const waits = child.parentShards.some((it) => this.isBeingRead(it))
      return !waits && !this.isKnown(child.shardId)
    })
    return ready.map((it) => it.shardId)
  }

  isKnown(shardId: string): boolean {
    return this.#isSent.has(parseShardId(shardId))
  }

  isBeingRead(shardId: string): boolean {
    return this.#isSent.get(parseShardId(shardId)) === false
  }
}
