/**
 * Hands batches to a function of the user, and gets past records that it fails on: what fails for
 * the time being is tried again, what fails for good is found by halving the batch, and put aside.
 */

import { checkInteger } from '../wire/arguments.ts'
import type { RecordView } from '../wire/slice-cursor.ts'
import { backoffMillis } from './backoff.ts'
import { type Clock, systemClock } from './clock.ts'
import type { RecordBatch } from './record-batch.ts'
import { sleep } from './sleep.ts'

/** Records of one shard, in order: all of a batch, or a part of one that failed. */
export type BatchHandler = (records: readonly RecordView[], batch: RecordBatch) => unknown

export interface HandleOptions {
  /**
   * How often a batch that failed is tried again as a whole, after pauses that grow as those of the
   * client do, from 50 ms to 5 s at the most; 5 times by default, which is 1.6 s at the most.
   */
  readonly retries?: number | undefined
  /**
   * Takes a record that the handler fails on by itself, to put it aside; when this has answered,
   * the record counts as handled. Without it, or when it fails, the iteration ends with the error.
   */
  readonly onFailure?:
    | ((record: RecordView, error: unknown, batch: RecordBatch) => unknown)
    | undefined
  /** Ends the pauses and the iteration, which rejects with the signal's reason. */
  readonly signal?: AbortSignal | undefined
}

const retriesDefault = 5
const retriesMax = 1_000_000

/**
 * Iterates over a subscription, a reader or a consumer with automatic checkpoints. A batch that the
 * handler fails on is tried again; then each half of it by itself, and of one that fails each half
 * again. Records are handled in order, and those beside one that fails more than once: each at
 * least once. Answers at the end of the iteration; rejects as that, and with errors of the handler.
 */
export async function handleBatches(
  batches: AsyncIterable<RecordBatch>,
  handler: BatchHandler,
  options: HandleOptions = {},
): Promise<void> {
  await handleBatchesBy(systemClock, batches, handler, options)
}

/** The same, by a clock. */
export async function handleBatchesBy(
  clock: Clock,
  batches: AsyncIterable<RecordBatch>,
  handler: BatchHandler,
  options: HandleOptions,
): Promise<void> {
  const { retries = retriesDefault, ...more } = options
  checkInteger('retries', retries, 0, retriesMax)
  const handling = new Handling(clock, handler, { ...more, retries })
  for await (const batch of batches) {
    if (batch.recordCount > 0) await handling.handle([...batch], batch)
  }
}

class Handling {
  readonly #clock: Clock
  readonly #handler: BatchHandler
  readonly #options: HandleOptions & { readonly retries: number }

  constructor(
    clock: Clock,
    handler: BatchHandler,
    options: HandleOptions & { readonly retries: number },
  ) {
    this.#clock = clock
    this.#handler = handler
    this.#options = options
  }

  async handle(records: readonly RecordView[], batch: RecordBatch): Promise<void> {
    const { retries, signal } = this.#options
    for (let attempt = 0; ; attempt += 1) {
      const failure = await this.#try(records, batch)
      if (failure === undefined) return
      if (attempt === retries) {
        await this.#part(records, batch, failure.error)
        return
      }
      await sleep(this.#clock, backoffMillis(attempt, this.#clock.random()), signal)
    }
  }

  /** What came of it: whatever the handler throws is an error, `undefined` too. */
  async #try(
    records: readonly RecordView[],
    batch: RecordBatch,
  ): Promise<{ readonly error: unknown } | undefined> {
    this.#options.signal?.throwIfAborted()
    try {
      await this.#handler(records, batch)
      return undefined
    } catch (error) {
      this.#options.signal?.throwIfAborted()
      return { error }
    }
  }

  /** Halves without pauses: there were enough of them for what passes by itself. */
  async #part(records: readonly RecordView[], batch: RecordBatch, error: unknown): Promise<void> {
    const { onFailure } = this.#options
    const [only] = records
    if (onFailure === undefined || only === undefined) throw error
    if (records.length === 1) {
      await onFailure(only, error, batch)
      return
    }
    const middle = Math.ceil(records.length / 2)
    for (const half of [records.slice(0, middle), records.slice(middle)]) {
      const failure = await this.#try(half, batch)
      if (failure !== undefined) await this.#part(half, batch, failure.error)
    }
  }
}
