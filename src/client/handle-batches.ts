/**
 * Hands batches to a function of the user, and gets past records that it fails on: what fails for
 * the time being is tried again, what fails for good is found by halving the batch, and put aside.
 */

import { checkFunction, checkInteger } from '../wire/arguments.ts'
import type { RecordView } from '../wire/slice-cursor.ts'
import { backoffMillis } from './backoff.ts'
import { type Clock, systemClock } from './clock.ts'
import { LeaseLostError } from './lease-lost-error.ts'
import type { RecordBatch } from './record-batch.ts'
import type { Gap } from './shard-cursor.ts'
import { sleep } from './sleep.ts'
import { untilAborted } from './until-aborted.ts'

/** A subscription, a reader, a consumer, or whatever else delivers batches. */
export interface BatchSource extends AsyncIterable<RecordBatch> {
  readonly state?: string
  /** As that of a consumer: the batch is not this worker's any more. */
  hasLost?(batch: RecordBatch): boolean
}

/** What is true of each record of a batch; a resume token, say, stands behind all of them. */
export interface RecordOrigin {
  readonly shardId: string
}

/** Records of one shard, in order: all of a batch, or a part of one that failed. */
export type BatchHandler = (records: readonly RecordView[], origin: RecordOrigin) => unknown

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
    | ((record: RecordView, error: unknown, origin: RecordOrigin) => unknown)
    | undefined
  /**
   * Takes a batch of which each record is handled or put aside: the place to store its resume
   * token, or to checkpoint it. When it fails, the iteration ends with the error.
   */
  readonly onHandled?: ((batch: RecordBatch) => unknown) | undefined
  /**
   * Is told of records that are missing, before it goes on behind them; when it fails, the
   * iteration ends with the error. Without it the source alone tells of them, by its event `gap`,
   * and ends there if it has `onGap: 'throw'`.
   */
  readonly onGap?: ((gap: Gap) => unknown) | undefined
  /** Ends waiting, pauses and the iteration, which rejects with the signal's reason. */
  readonly signal?: AbortSignal | undefined
}

const retriesDefault = 5
const retriesMax = 1_000_000

/**
 * Iterates over a subscription, a reader or a consumer. A batch that the handler fails on is tried
 * again; then each half of it by itself, and of one that fails each half again. Records are handled
 * in order, and those beside one that fails more than once: each at least once. Answers at the end
 * of the iteration; rejects as that, and with errors of the functions it is given.
 *
 * What stands behind a batch holds for its end alone: tokens and checkpoints are for `onHandled`. A
 * consumer with automatic checkpoints needs none. `resumeToken` of a subscription or a reader is
 * behind the batch that is being handled already: it is not the place to go on at.
 *
 * A batch of a consumer whose shard is another worker's by now is not tried again, nor is any of it
 * put aside: that worker has it. A LeaseLostError of anybody else ends the iteration at once.
 */
export async function handleBatches(
  source: BatchSource,
  handler: BatchHandler,
  options: HandleOptions = {},
): Promise<void> {
  await handleBatchesBy(systemClock, source, handler, options)
}

/** The same, by a clock. */
export async function handleBatchesBy(
  clock: Clock,
  source: BatchSource,
  handler: BatchHandler,
  options: HandleOptions,
): Promise<void> {
  const { retries = retriesDefault, onFailure, onHandled, onGap, signal } = options
  checkInteger('retries', retries, 0, retriesMax)
  checkFunction('handler', handler)
  for (const [name, value] of Object.entries({ onFailure, onHandled, onGap })) {
    if (value !== undefined) checkFunction(name, value)
  }
  const handling = new Handling({ ...options, clock, source, handler, retries })
  for await (const batch of untilAborted(source, signal)) await handling.handle(batch)
}

interface HandlingParts extends HandleOptions {
  readonly clock: Clock
  readonly source: BatchSource
  readonly handler: BatchHandler
  readonly retries: number
}

class Handling {
  readonly #parts: HandlingParts

  constructor(parts: HandlingParts) {
    this.#parts = parts
  }

  async handle(batch: RecordBatch): Promise<void> {
    const { signal, source, onGap, onHandled } = this.#parts
    try {
      if (batch.gap !== undefined) await onGap?.(batch.gap)
      if (batch.recordCount > 0) await this.#handleWhole([...batch], batch)
      await onHandled?.(batch)
    } catch (error) {
      signal?.throwIfAborted()
      // Another worker has the shard, and there are those of others. A closed source has none.
      if (!this.#hasLost(batch) || source.state === 'closed') throw error
    }
  }

  async #handleWhole(records: readonly RecordView[], batch: RecordBatch): Promise<void> {
    const { clock, retries, signal } = this.#parts
    for (let attempt = 0; ; attempt += 1) {
      const failure = await this.#try(records, batch)
      if (failure === undefined) return
      if (attempt === retries) {
        await this.#part(records, batch, failure.error)
        return
      }
      await sleep(clock, backoffMillis(attempt, clock.random()), signal)
      if (this.#hasLost(batch)) throw failure.error
    }
  }

  /** What came of it: whatever the handler throws is an error, `undefined` too. */
  async #try(
    records: readonly RecordView[],
    batch: RecordBatch,
  ): Promise<{ readonly error: unknown } | undefined> {
    const { handler, signal } = this.#parts
    signal?.throwIfAborted()
    try {
      // A handler may take records off its array; the next attempt has all of them.
      await handler([...records], originOf(batch))
      return undefined
    } catch (error) {
      signal?.throwIfAborted()
      // It is no fault of the records, and does not pass.
      if (error instanceof LeaseLostError || this.#hasLost(batch)) throw error
      return { error }
    }
  }

  /** Halves without pauses: there were enough of them for what passes by itself. */
  async #part(records: readonly RecordView[], batch: RecordBatch, error: unknown): Promise<void> {
    const { onFailure } = this.#parts
    const [only] = records
    if (onFailure === undefined || only === undefined) throw error
    if (records.length === 1) {
      await onFailure(only, error, originOf(batch))
      return
    }
    const middle = Math.ceil(records.length / 2)
    for (const half of [records.slice(0, middle), records.slice(middle)]) {
      if (this.#hasLost(batch)) throw error
      const failure = await this.#try(half, batch)
      if (failure !== undefined) await this.#part(half, batch, failure.error)
    }
  }

  #hasLost(batch: RecordBatch): boolean {
    return this.#parts.source.hasLost?.(batch) === true
  }
}

function originOf({ shardId }: RecordBatch): RecordOrigin {
  return { shardId }
}
