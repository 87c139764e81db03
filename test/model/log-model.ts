/** What a log should do, as arrays: the model that the real one is compared with. */

export interface ModelRecord {
  readonly key: string
  readonly data: Uint8Array
}

interface ModelBatch {
  readonly first: bigint
  readonly records: readonly ModelRecord[]
  readonly producer: bigint
  readonly producerSequence: number
}

export type Outcome =
  | { readonly code: string }
  | {
      readonly firstSequenceNumber: bigint
      readonly count: number
      readonly duplicate: boolean
    }

/** Batches of one producer that are remembered for repeats. */
const rememberedPerProducer = 5

export class ShardModel {
  readonly #batches: ModelBatch[] = []
  /** Batches from this one on can be read. */
  #oldest = 0
  /** What `#oldest` was when the log was closed last: a trim is durable with a later commit. */
  #durableOldest = 0
  readonly #forgettable = new Set<bigint>()
  #sealed = false
  readonly #first: bigint

  constructor(first: bigint) {
    this.#first = first
  }

  get next(): bigint {
    const last = this.#batches.at(-1)
    return last === undefined ? this.#first : last.first + BigInt(last.records.length)
  }

  /** Records that it ever took. */
  get appended(): number {
    return Number(this.next - this.#first)
  }

  /** The oldest sequence number that can be read. */
  get oldest(): bigint {
    return this.#batches[this.#oldest]?.first ?? this.next
  }

  get sealed(): boolean {
    return this.#sealed
  }

  append(records: readonly ModelRecord[], producer = 0n, producerSequence = 0): Outcome {
    if (producer !== 0n) {
      const prior = this.#batches.filter((batch) => batch.producer === producer)
      const last = prior.at(-1)?.producerSequence
      const repeat = prior
        .slice(-rememberedPerProducer)
        .find((batch) => batch.producerSequence === producerSequence)
      if (repeat !== undefined) {
        const isSame = repeat.records.length === records.length
        return isSame ? answer(repeat, true) : { code: 'INVALID_ARGUMENT' }
      }
      if (last !== undefined && producerSequence !== last + 1)
        return { code: 'PRODUCER_SEQUENCE_GAP' }
    }
    if (this.#sealed) return { code: 'SHARD_CLOSED' }
    const batch = { first: this.next, records, producer, producerSequence }
    this.#batches.push(batch)
    return answer(batch, false)
  }

  /** The last number of a producer; -1 when there is none. */
  lastOf(producer: bigint): number {
    return this.#batches.findLast((it) => it.producer === producer)?.producerSequence ?? -1
  }

  seal(): void {
    this.#sealed = true
  }

  trim(sequence: bigint): void {
    const holder = this.#batches.findIndex((it) => it.first + BigInt(it.records.length) > sequence)
    this.#oldest = Math.max(this.#oldest, holder < 0 ? this.#batches.length : holder)
  }

  closed(): void {
    this.#durableOldest = this.#oldest
  }

  /**
   * A crash may undo trims that were not durable. False when `oldest` is nothing it may lead to.
   */
  crashed(oldest: bigint): boolean {
    const legal = this.#batches.findIndex((batch) => batch.first === oldest)
    const place = legal < 0 && oldest === this.next ? this.#batches.length : legal
    if (place < this.#durableOldest || place > this.#oldest) return false
    this.#oldest = place
    for (const { producer } of this.#batches.slice(0, place)) this.#forgettable.add(producer)
    return true
  }

  /** Whether repeats of a producer are answered: what is trimmed may be forgotten in a crash. */
  remembers(producer: bigint): boolean {
    return !this.#forgettable.has(producer)
  }

  /** Whole batches from the one that holds `sequence`. */
  readFrom(sequence: bigint): [bigint, ModelRecord][] {
    const seen: [bigint, ModelRecord][] = []
    for (const batch of this.#batches.slice(this.#oldest)) {
      if (batch.first + BigInt(batch.records.length) <= sequence) continue
      batch.records.forEach((record, i) => {
        seen.push([batch.first + BigInt(i), record])
      })
    }
    return seen
  }
}

function answer(batch: ModelBatch, duplicate: boolean): Outcome {
  return { firstSequenceNumber: batch.first, count: batch.records.length, duplicate }
}
