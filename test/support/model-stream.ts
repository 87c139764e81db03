import { MillraceError } from '../../src/errors.ts'
import { BatchBuilder } from '../../src/wire/batch-builder.ts'
import type {
  AnswerOf,
  getRecords,
  getShardIterator,
  listShards,
  Operation,
  RequestOf,
  ShardDescription,
} from '../../src/wire/operations.ts'
import { parseShardId, shardIdText } from '../../src/wire/shard-id-text.ts'
import { type Exchange, Verbs } from '../../src/wire/verbs.ts'
import { makeBatch } from './slices.ts'

interface ModelShard {
  readonly index: number
  readonly number: bigint
  readonly first: bigint
  readonly parents: readonly number[]
  readonly texts: string[]
  trimmed: number
  closed: boolean
}

const encoder = new TextEncoder()

/** A stream of which a reader reads: shards that are arrays, with splits, trims and failures. */
export class ModelStream {
  readonly verbs: Verbs
  readonly shards: ModelShard[] = []
  /** Names of the operations, in order. */
  readonly calls: string[] = []
  /** Called before each request; what it answers is what fails it. */
  fail: (name: string) => MillraceError | undefined = () => undefined
  /** Shards that lists do not have yet. */
  readonly hidden = new Set<number>()
  /** Shards that are there no more. */
  readonly expired = new Set<number>()
  #incarnation = 0
  #nextNumber: bigint

  constructor(shardCount: number, firstNumber = 1n) {
    this.#nextNumber = firstNumber
    const exchange: Exchange = {
      call: (operation, request) => this.#call(operation, request),
      put: () => Promise.reject(new MillraceError('INTERNAL', 'reads only')),
    }
    this.verbs = new Verbs(exchange)
    for (let i = 0; i < shardCount; i += 1) this.#addShard([], 1n)
  }

  get open(): ModelShard[] {
    return this.shards.filter((it) => !it.closed)
  }

  put(index: number, ...texts: string[]): void {
    this.shards[index]?.texts.push(...texts)
  }

  /** Closes shards, and opens so many children of all of them. */
  reshard(parents: readonly number[], childCount: number): void {
    const ends = parents.map((it) => {
      const shard = this.shards[it] as ModelShard
      shard.closed = true
      return shard.first + BigInt(shard.texts.length)
    })
    const first = ends.sort((a, b) => Number(b - a))[0] ?? 1n
    for (let i = 0; i < childCount; i += 1) this.#addShard(parents, first)
  }

  /** Iterators of before are worth nothing. */
  restart(): void {
    this.#incarnation += 1
  }

  async #call<Op extends Operation>(operation: Op, request: RequestOf<Op>): Promise<AnswerOf<Op>> {
    this.calls.push(operation.name)
    const error = this.fail(operation.name)
    if (error !== undefined) throw error
    const it = request as never
    if (operation.name === 'ListShards') return this.#list(it) as AnswerOf<Op>
    if (operation.name === 'GetShardIterator') return this.#iterator(it) as AnswerOf<Op>
    return this.#records(it) as AnswerOf<Op>
  }

  #addShard(parents: readonly number[], first: bigint): void {
    this.shards.push({
      index: this.shards.length,
      number: this.#nextNumber++,
      first,
      parents,
      texts: [],
      trimmed: 0,
      closed: false,
    })
  }

  #list(request: RequestOf<typeof listShards>): AnswerOf<typeof listShards> {
    // Pages of two shards, so that every list has several.
    const [type, from] = (request.nextToken ?? `${request.shardFilter?.type} 0`).split(' ')
    const all = this.shards.filter(
      (it) =>
        !this.hidden.has(it.index) &&
        !this.expired.has(it.index) &&
        (type === 'FROM_TRIM_HORIZON' ||
          (type === 'AT_LATEST' ? !it.closed : it.parents.length === 0)),
    )
    const start = Number(from)
    return {
      shards: all.slice(start, start + 2).map((it) => describeShard(it)),
      ...(start + 2 < all.length ? { nextToken: `${type} ${start + 2}` } : {}),
    }
  }

  #iterator({
    shardId,
    shardIteratorType: type,
    startingSequenceNumber,
  }: RequestOf<typeof getShardIterator>): AnswerOf<typeof getShardIterator> {
    const shard = this.shards[parseShardId(shardId) ?? -1]
    if (shard === undefined || this.expired.has(shard.index)) {
      throw new MillraceError('SHARD_NOT_FOUND')
    }
    const end = shard.first + BigInt(shard.texts.length)
    const start = startingSequenceNumber ?? shard.first
    if (start > end) throw new MillraceError('SEQUENCE_NUMBER_IN_FUTURE')
    return { shardIterator: this.#seal(shard, type === 'LATEST' ? end : start) }
  }

  #records(request: RequestOf<typeof getRecords>): AnswerOf<typeof getRecords> {
    const [incarnation, index, at] = request.shardIterator.split(' ').map(BigInt) as bigint[]
    if (Number(incarnation) !== this.#incarnation) throw new MillraceError('INVALID_ARGUMENT')
    const shard = this.shards[Number(index)] as ModelShard
    if (this.expired.has(shard.index)) throw new MillraceError('SHARD_NOT_FOUND')
    const oldest = shard.first + BigInt(shard.trimmed)
    const wanted = at as bigint
    const first = wanted < oldest ? oldest : wanted
    const skip = Number(first - shard.first)
    const texts = shard.texts.slice(skip, skip + Math.min(request.limit ?? 3, 3))
    const next = first + BigInt(texts.length)
    const isTip = skip + texts.length === shard.texts.length
    const isEnd = isTip && shard.closed
    const children = this.shards.filter((it) => it.parents.includes(shard.index))
    return {
      ...(isEnd ? {} : { nextShardIterator: this.#seal(shard, next) }),
      millisBehindLatest: isTip ? 0 : 1000,
      childShards: isEnd ? children.map((it) => describeChild(it)) : [],
      firstSequenceNumber: first,
      recordCount: texts.length,
      slice: sliceOf(first, texts),
    }
  }

  #seal(shard: ModelShard, at: bigint): string {
    return `${this.#incarnation} ${shard.index} ${at}`
  }
}

function describeShard(it: ModelShard): ShardDescription {
  const [parent, adjacent] = it.parents
  return {
    shardId: shardIdText(it.index),
    ...(parent === undefined ? {} : { parentShardId: shardIdText(parent) }),
    ...(adjacent === undefined ? {} : { adjacentParentShardId: shardIdText(adjacent) }),
    startingHashKey: 0n,
    endingHashKey: 1n,
    startingSequenceNumber: it.first,
    shardNumber: it.number,
  }
}

function describeChild(it: ModelShard): AnswerOf<typeof getRecords>['childShards'][number] {
  return {
    shardId: shardIdText(it.index),
    parentShards: it.parents.map(shardIdText),
    startingHashKey: 0n,
    endingHashKey: 1n,
  }
}

function sliceOf(first: bigint, texts: readonly string[]): Uint8Array {
  if (texts.length === 0) return new Uint8Array()
  const builder = new BatchBuilder()
  for (const text of texts) builder.add('k', encoder.encode(text))
  return makeBatch(first, builder.bytes.slice(), builder.count)
}
