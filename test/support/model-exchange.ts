import { decode } from '@msgpack/msgpack'
import { type ErrorCode, MillraceError } from '../../src/errors.ts'
import { packMessage } from '../../src/wire/codec.ts'
import type { AnswerOf, Operation } from '../../src/wire/operations.ts'
import type { Exchange } from '../../src/wire/verbs.ts'

/** A request that waits for the test to answer it. */
export interface ModelPut {
  readonly streamName: string
  readonly durability: string | null
  readonly records: readonly { readonly key: string | null; readonly data: Uint8Array }[]
  readonly explicitHashKeys: readonly (Uint8Array | null)[] | null
  readonly producerId: bigint
  readonly producerSequence: number
  readonly frame: Uint8Array
  readonly repeatable: boolean
  settled: boolean
  /**
   * Answers as a broker whose shards refuse with what `refuse` says, and store the rest. A number
   * instead of a code: the shard has room for so many records, and refuses those behind them.
   */
  store(refuse?: Refuse): void
  /** Stores as `store` does, and then the outcome is not told. */
  storeSilently(error: MillraceError, refuse?: Refuse): void
  fail(error: MillraceError): void
}

type Refuse = (shard: number) => ErrorCode | number | undefined

/** For how long a shard of the model that has no room wants no more. */
export const modelRetryMillis = 300

/** The first sequence number and how many records were stored, or why none. */
type Outcome = { readonly first: number; readonly count: number } | ErrorCode

interface Stored {
  readonly key: string
  readonly text: string
}

const decoder = new TextDecoder()

/** Puts into shards that are arrays, and knows repeats as the log does. */
export class ModelExchange implements Exchange {
  readonly shards: Stored[][]
  readonly waiting: ModelPut[] = []
  readonly all: ModelPut[] = []
  inFlightPeak = 0
  #id = 0
  readonly #seen = new Map<string, { first: number; count: number }>()
  readonly #last = new Map<string, number>()

  constructor(shardCount = 3) {
    this.shards = Array.from({ length: shardCount }, () => [])
  }

  call<Op extends Operation>(): Promise<AnswerOf<Op>> {
    return Promise.reject(new MillraceError('INTERNAL', 'puts only'))
  }

  put(
    makeFrame: (id: number) => Uint8Array,
    { repeatable }: { readonly repeatable: boolean },
  ): Promise<Uint8Array> {
    return new Promise((resolve, reject) => {
      this.#id += 1
      const id = this.#id
      const lent = makeFrame(id)
      const frame = Uint8Array.from(lent)
      const values = decode(frame, { useBigInt64: true }) as [
        number,
        number,
        string,
        string | null,
        ...unknown[],
      ]
      const put: ModelPut = {
        streamName: values[2],
        durability: values[3],
        records: (values[4] as [string | null, Uint8Array][]).map(([key, data]) => ({ key, data })),
        explicitHashKeys: values[5] as (Uint8Array | null)[] | null,
        producerId: BigInt(values[6] as number),
        producerSequence: Number(values[7]),
        frame,
        repeatable,
        settled: false,
        store: (refuse = () => undefined) => {
          this.#settle(put, lent)
          resolve(this.#store(id, put, refuse))
        },
        storeSilently: (error, refuse = () => undefined) => {
          this.#settle(put, lent)
          this.#store(id, put, refuse)
          reject(error)
        },
        fail: (error) => {
          this.#settle(put, lent)
          reject(error)
        },
      }
      this.waiting.push(put)
      this.all.push(put)
      this.inFlightPeak = Math.max(this.inFlightPeak, this.waiting.length)
    })
  }

  /** The texts that were stored under each key, in order. */
  storedByKey(): Map<string, string[]> {
    const byKey = new Map<string, string[]>()
    for (const { key, text } of this.shards.flat()) {
      byKey.set(key, [...(byKey.get(key) ?? []), text])
    }
    return byKey
  }

  shardOf(key: string): number {
    return (key.charCodeAt(key.length - 1) + key.length) % this.shards.length
  }

  /** Those of a request that have no key go to one shard. */
  #placeOf({ producerSequence }: ModelPut, key: string | null): number {
    return key === null ? producerSequence % this.shards.length : this.shardOf(key)
  }

  /** The frame was lent until now: nobody may have touched it. */
  #settle(put: ModelPut, lent: Uint8Array): void {
    if (Buffer.compare(lent, put.frame) !== 0) throw new Error('a frame changed on its way')
    put.settled = true
    this.waiting.splice(this.waiting.indexOf(put), 1)
  }

  #store(id: number, put: ModelPut, refuse: Refuse): Uint8Array {
    const runs = new Map<number, Stored[]>()
    for (const { key, data } of put.records) {
      const shard = this.#placeOf(put, key)
      const stored = { key: key ?? '', text: decoder.decode(data) }
      runs.set(shard, [...(runs.get(shard) ?? []), stored])
    }
    const rows: unknown[][] = []
    const indexes: number[] = []
    /** Of each shard: the place of its row, and how many of its records that one still takes. */
    const takers = new Map<number, { row: number; left: number }>()
    let failed = 0
    const addRow = (shard: number, first: number, count: number, code: ErrorCode | null) => {
      const retryAfterMs = code === 'THROUGHPUT_EXCEEDED' ? modelRetryMillis : null
      rows.push([shard + 1, first, count, code, retryAfterMs])
      indexes.push(shard)
      if (code !== null) failed += count
    }
    for (const [shard, run] of runs) {
      const outcome = this.#append(put, shard, run, refuse(shard))
      const { first, count } = typeof outcome === 'string' ? { first: 0, count: 0 } : outcome
      takers.set(shard, { row: rows.length, left: count > 0 ? count : run.length })
      if (count > 0) addRow(shard, first, count, null)
      if (count === run.length) continue
      const code = typeof outcome === 'string' ? outcome : 'THROUGHPUT_EXCEEDED'
      addRow(shard, 0, run.length - count, code)
    }
    const ordinals = Uint8Array.from(put.records, (it) => {
      const taker = takers.get(this.#placeOf(put, it.key)) as { row: number; left: number }
      taker.left -= 1
      return taker.left >= 0 ? taker.row : taker.row + 1
    })
    const durability = put.durability ?? 'disk'
    return packMessage([0x21, id, null, durability, indexes, [rows, ordinals, failed]])
  }

  #append(put: ModelPut, shard: number, run: Stored[], refusal: ReturnType<Refuse>): Outcome {
    const producer = `${put.producerId} ${shard}`
    const name = `${producer} ${put.producerSequence}`
    const known = put.producerId === 0n ? undefined : this.#seen.get(name)
    if (known !== undefined) {
      if (known.count > run.length) throw new Error('a number names two batches')
      return known
    }
    if (typeof refusal === 'string') return refusal
    if (put.producerSequence < (this.#last.get(producer) ?? 0)) return 'PRODUCER_SEQUENCE_GAP'
    const taken = run.slice(0, refusal)
    const stored = this.shards[shard] as Stored[]
    const outcome = { first: stored.length + 1, count: taken.length }
    if (taken.length === 0) return 'THROUGHPUT_EXCEEDED'
    stored.push(...taken)
    if (put.producerId !== 0n) {
      this.#seen.set(name, outcome)
      this.#last.set(producer, put.producerSequence)
    }
    return outcome
  }
}
