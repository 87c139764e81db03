import { BatchBuilder } from '../../src/wire/batch-builder.ts'
import type { ChildShard, ShardDescription } from '../../src/wire/operations.ts'
import { shardIdText } from '../../src/wire/shard-id-text.ts'
import { makeBatch } from './slices.ts'

interface PushedBatch {
  readonly first: bigint
  readonly next: bigint
  readonly bytes: Uint8Array
  /** Numbers that no record has. */
  readonly isEmpty: boolean
  isDamaged: boolean
}

const encoder = new TextEncoder()

/** A shard as a broker would keep it: batches, one for each put. */
export class PushedShard {
  readonly index: number
  readonly number: bigint
  readonly first: bigint
  readonly parents: readonly number[]
  readonly batches: PushedBatch[] = []
  readonly texts: string[] = []
  isClosed = false
  /** The first record that is still there. */
  horizon: bigint

  constructor(index: number, number: bigint, first: bigint, parents: readonly number[]) {
    this.index = index
    this.number = number
    this.first = first
    this.horizon = first
    this.parents = parents
  }

  get shardId(): string {
    return shardIdText(this.index)
  }

  get next(): bigint {
    return this.batches.at(-1)?.next ?? this.first
  }

  put(texts: readonly string[]): void {
    const builder = new BatchBuilder()
    for (const text of texts) builder.add('k', encoder.encode(text))
    const { next: first } = this
    const bytes = makeBatch(first, builder.bytes.slice(), texts.length, 0, this.number)
    const next = first + BigInt(texts.length)
    this.batches.push({ first, next, bytes, isEmpty: false, isDamaged: false })
    this.texts.push(...texts)
  }

  /** Leaves so many numbers out. */
  skip(count: number): void {
    const { next: first } = this
    const next = first + BigInt(count)
    this.batches.push({ first, next, bytes: Buffer.of(), isEmpty: true, isDamaged: false })
  }

  /** Drops so many batches from the beginning. */
  trim(count: number): void {
    this.horizon = this.batches[count]?.first ?? this.next
  }

  describe(): ShardDescription {
    const [parent, adjacent] = this.parents.map(shardIdText)
    return {
      shardId: this.shardId,
      ...(parent === undefined ? {} : { parentShardId: parent }),
      ...(adjacent === undefined ? {} : { adjacentParentShardId: adjacent }),
      startingHashKey: 0n,
      endingHashKey: 1n,
      startingSequenceNumber: this.first,
      shardNumber: this.number,
    }
  }

  describeAsChild(): ChildShard {
    return {
      shardId: this.shardId,
      parentShards: this.parents.map(shardIdText),
      startingHashKey: 0n,
      endingHashKey: 1n,
    }
  }
}

/** A stream of which a broker pushes. */
export class PushStream {
  shards: PushedShard[] = []
  #nextNumber = 1n

  constructor(shardCount: number) {
    this.create(shardCount)
  }

  /** Anew: with shards of the same names and other numbers. */
  create(shardCount: number): void {
    this.shards = []
    for (let i = 0; i < shardCount; i += 1) this.#addShard([], 1n)
  }

  get open(): PushedShard[] {
    return this.shards.filter((it) => !it.isClosed)
  }

  /** Puts one batch. */
  put(index: number, ...texts: string[]): void {
    this.shards[index]?.put(texts)
  }

  /** Closes shards, and opens so many children of all of them. */
  reshard(parents: readonly number[], childCount: number): void {
    let first = 1n
    for (const index of parents) {
      const shard = this.shards[index] as PushedShard
      shard.isClosed = true
      if (shard.next > first) first = shard.next
    }
    for (let i = 0; i < childCount; i += 1) this.#addShard(parents, first)
  }

  #addShard(parents: readonly number[], first: bigint): void {
    this.shards.push(new PushedShard(this.shards.length, this.#nextNumber++, first, parents))
  }
}
