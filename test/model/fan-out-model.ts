/** The records of a stream as arrays. */

import type { Shard } from '../../src/shard/shard.ts'

export class ModelShard {
  readonly number: bigint
  readonly index: number
  readonly first: bigint
  readonly parents: readonly bigint[]
  readonly children: bigint[] = []
  /** The oldest record that there is. */
  horizon: bigint
  isClosed = false
  readonly #keys: string[] = []
  /** For each record the first one of its batch. */
  readonly #batches: bigint[] = []

  constructor(shard: Shard, parents: readonly bigint[]) {
    this.number = shard.number
    this.index = shard.index
    this.first = shard.startingSequenceNumber
    this.horizon = this.first
    this.parents = parents
  }

  get next(): bigint {
    return this.first + BigInt(this.#keys.length)
  }

  add(keys: readonly string[]): void {
    const batch = this.next
    for (const key of keys) {
      this.#keys.push(key)
      this.#batches.push(batch)
    }
  }

  /** Whole batches below the one that holds a record go. */
  trim(number: bigint): void {
    const start = number >= this.next ? this.next : this.batchOf(number)
    if (start > this.horizon) this.horizon = start
  }

  keyOf(number: bigint): string | undefined {
    return this.#keys[Number(number - this.first)]
  }

  batchOf(number: bigint): bigint {
    return this.#batches[Number(number - this.first)] ?? this.next
  }
}

export class FanOutModel {
  readonly shards: Map<bigint, ModelShard> = new Map()

  add(shard: Shard, parents: readonly ModelShard[]): void {
    this.shards.set(
      shard.number,
      new ModelShard(
        shard,
        parents.map((it) => it.number),
      ),
    )
    for (const parent of parents) {
      parent.isClosed = true
      parent.children.push(shard.number)
    }
  }

  shard(number: bigint): ModelShard {
    const shard = this.shards.get(number)
    if (shard === undefined) throw new Error(`there is no shard ${number}`)
    return shard
  }

  get open(): ModelShard[] {
    return [...this.shards.values()].filter((it) => !it.isClosed)
  }
}
