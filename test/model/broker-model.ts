/** What a broker ought to do, as arrays: streams of shards of records. */

import { createHash } from 'node:crypto'

export interface ModelRecord {
  readonly key: string
  readonly text: string
}

const hashSpace = 2n ** 128n

export class ModelShard {
  readonly first: bigint
  readonly records: ModelRecord[] = []

  constructor(first: bigint) {
    this.first = first
  }

  get next(): bigint {
    return this.first + BigInt(this.records.length)
  }

  /** The sequence number that the record gets. */
  add(record: ModelRecord): bigint {
    this.records.push(record)
    return this.next - 1n
  }
}

export class ModelStream {
  readonly shards: readonly ModelShard[]

  constructor(shardCount: number, first: bigint) {
    this.shards = Array.from({ length: shardCount }, () => new ModelShard(first))
  }

  shardOf(key: string, explicitHashKey: bigint | undefined): number {
    const hash = explicitHashKey ?? BigInt(`0x${createHash('md5').update(key).digest('hex')}`)
    const width = hashSpace / BigInt(this.shards.length)
    return Math.min(Number(hash / width), this.shards.length - 1)
  }

  /** Above every number that was given. */
  get end(): bigint {
    let end = 1n
    for (const { next } of this.shards) if (next > end) end = next
    return end
  }
}

/** An iterator that the broker has given, and what it ought to mean. */
export interface ModelIterator {
  readonly text: string
  /** Of the incarnation that it was given for. */
  readonly stream: ModelStream
  readonly shard: number
  readonly next: bigint
}

/** A frame of an idempotent producer, and its answer. */
export interface SentFrame {
  readonly stream: ModelStream
  readonly frame: Uint8Array
  readonly results: readonly { readonly shard: number; readonly sequenceNumber: bigint }[]
}

export class BrokerModel {
  readonly streams = new Map<string, ModelStream>()
  /** Where the numbers of a stream begin that is created again. */
  readonly ends = new Map<string, bigint>()
  readonly iterators: ModelIterator[] = []
  /** The last frame of each producer, by its id. */
  readonly sent = new Map<bigint, SentFrame>()
  nextProducerSequence = 1
}
