import { decode } from '@msgpack/msgpack'
import { type ErrorCode, MillraceError } from '../../src/errors.ts'
import { packMessage } from '../../src/wire/codec.ts'
import type { AnswerOf, Operation } from '../../src/wire/operations.ts'
import type { Exchange } from '../../src/wire/verbs.ts'

/** A request that waits for the test to answer it. */
export interface ModelPut {
  readonly streamName: string
  readonly durability: string | null
  readonly records: readonly { readonly key: string; readonly data: Uint8Array }[]
  readonly explicitHashKeys: readonly (Uint8Array | null)[] | null
  readonly producerId: bigint
  readonly producerSequence: number
  readonly frame: Uint8Array
  readonly repeatable: boolean
  settled: boolean
  /** Answers as a broker whose shards refuse with what `refuse` says, and store the rest. */
  store(refuse?: (shard: number) => ErrorCode | undefined): void
  /** Stores as `store` does, and then the outcome is not told. */
  storeSilently(error: MillraceError): void
  fail(error: MillraceError): void
}

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
        records: (values[4] as [string, Uint8Array][]).map(([key, data]) => ({ key, data })),
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
        storeSilently: (error) => {
          this.#settle(put, lent)
          this.#store(id, put, () => undefined)
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

  /** The frame was lent until now: nobody may have touched it. */
  #settle(put: ModelPut, lent: Uint8Array): void {
    if (Buffer.compare(lent, put.frame) !== 0) throw new Error('a frame changed on its way')
    put.settled = true
    this.waiting.splice(this.waiting.indexOf(put), 1)
  }

  #store(id: number, put: ModelPut, refuse: (shard: number) => ErrorCode | undefined): Uint8Array {
    const runs = new Map<number, Stored[]>()
    for (const { key, data } of put.records) {
      const shard = this.shardOf(key)
      runs.set(shard, [...(runs.get(shard) ?? []), { key, text: decoder.decode(data) }])
    }
    const order = [...runs.keys()]
    let failed = 0
    const rows = order.map((shard) => {
      const run = runs.get(shard) as Stored[]
      const outcome = this.#append(put, shard, run, refuse(shard))
      if (typeof outcome === 'string') failed += run.length
      return typeof outcome === 'string'
        ? [shard + 1, 0, run.length, outcome]
        : [shard + 1, outcome, run.length, null]
    })
    const ordinals = Uint8Array.from(put.records, (it) => order.indexOf(this.shardOf(it.key)))
    return packMessage([0x21, id, null, put.durability ?? 'disk', order, [rows, ordinals, failed]])
  }

  /** The first sequence number, or why the shard refuses. */
  #append(
    put: ModelPut,
    shard: number,
    run: Stored[],
    refusal: ErrorCode | undefined,
  ): number | ErrorCode {
    const producer = `${put.producerId} ${shard}`
    const name = `${producer} ${put.producerSequence}`
    const known = put.producerId === 0n ? undefined : this.#seen.get(name)
    if (known !== undefined) {
      if (known.count !== run.length) throw new Error('a number names two batches')
      return known.first
    }
    if (refusal !== undefined) return refusal
    if (put.producerSequence < (this.#last.get(producer) ?? 0)) return 'PRODUCER_SEQUENCE_GAP'
    const stored = this.shards[shard] as Stored[]
    const first = stored.length + 1
    stored.push(...run)
    if (put.producerId !== 0n) {
      this.#seen.set(name, { first, count: run.length })
      this.#last.set(producer, put.producerSequence)
    }
    return first
  }
}
