/** How far each shard of a stream has been delivered, now and after each batch so far. */

import type { ShardPosition } from './resume-token.ts'

/** As many changes are kept before the positions are written out again. */
const changesMin = 64

interface Change {
  readonly shardNumber: bigint
  /** Undefined for a shard that is forgotten. */
  readonly position: ShardPosition | undefined
}

/** A moment; what it stands for is worked out when somebody asks. */
export interface PositionsMark {
  readonly base: readonly ShardPosition[]
  readonly changes: readonly Change[]
  readonly changeCount: number
}

export class DeliveredPositions {
  readonly #byNumber = new Map<bigint, ShardPosition>()
  #base: readonly ShardPosition[] = []
  #changes: Change[] = []

  get all(): readonly ShardPosition[] {
    return [...this.#byNumber.values()]
  }

  has(shardNumber: bigint): boolean {
    return this.#byNumber.has(shardNumber)
  }

  set(position: ShardPosition): void {
    this.#byNumber.set(position.shardNumber, position)
    this.#note({ shardNumber: position.shardNumber, position })
  }

  forget(shardNumber: bigint): void {
    if (this.#byNumber.delete(shardNumber)) this.#note({ shardNumber, position: undefined })
  }

  /** Costs the same however many shards there are: each batch has one. */
  mark(): PositionsMark {
    return { base: this.#base, changes: this.#changes, changeCount: this.#changes.length }
  }

  #note(change: Change): void {
    this.#changes.push(change)
    if (this.#changes.length < Math.max(changesMin, this.#byNumber.size)) return
    this.#base = this.all
    this.#changes = []
  }
}

/** The positions at a moment. */
export function positionsAt({ base, changes, changeCount }: PositionsMark): ShardPosition[] {
  const byNumber = new Map(base.map((it) => [it.shardNumber, it]))
  for (const { shardNumber, position } of changes.slice(0, changeCount)) {
    if (position === undefined) byNumber.delete(shardNumber)
    else byNumber.set(shardNumber, position)
  }
  return [...byNumber.values()]
}
