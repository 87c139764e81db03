/**
 * Which of the shards that have been read to their ends still have to be remembered: those with
 * children that have not been begun. The children stand for the others. Pure.
 */

import type { ChildShard } from '../wire/operations.ts'

export class FinishedShards {
  readonly #begun = new Set<string>()
  /** Of each shard the children that have not been begun. */
  readonly #awaited = new Map<string, Set<string>>()

  /** A shard is read from now on. Answers the finished ones that can be forgotten. */
  begin(shardId: string): string[] {
    this.#begun.add(shardId)
    const through: string[] = []
    for (const [parent, children] of this.#awaited) {
      if (children.delete(shardId) && children.size === 0) through.push(parent)
    }
    for (const it of through) this.#forget(it)
    return through
  }

  /** A shard has been read to its end. Answers those that can be forgotten. */
  end(shardId: string, children: readonly ChildShard[]): string[] {
    for (const child of children) {
      if (this.#begun.has(child.shardId)) continue
      // The other parent of a merge may have ended before anything was known of its children.
      for (const parent of child.parentShards) this.#await(parent, child.shardId)
    }
    if (children.length === 0 || this.#awaited.has(shardId)) return []
    this.#forget(shardId)
    return [shardId]
  }

  #await(parent: string, child: string): void {
    const awaited = this.#awaited.get(parent) ?? new Set()
    this.#awaited.set(parent, awaited)
    awaited.add(child)
  }

  #forget(shardId: string): void {
    this.#awaited.delete(shardId)
    this.#begun.delete(shardId)
  }
}
