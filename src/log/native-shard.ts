/**
 * One shard of a log in this process, for programs that embed it and count nanoseconds: an append
 * here is a plain call that returns when the batch has its sequence numbers and makes no promise.
 * Nothing above src/log/ uses it.
 */

import { checkBytes, checkInteger } from '../wire/arguments.ts'
import type { BatchBuilder } from '../wire/batch-builder.ts'
import { constants } from './binding.ts'
import type { Durability, Position, SequenceNumber, ShardId, Slice } from './log.ts'
import type { LogProgress } from './log-progress.ts'
import type { NativeCalls } from './native-calls.ts'

const recordCountMax = constants.batch.recordCountMax

/**
 * ```ts
 * const log = await openLog({ dir: '/var/lib/my-program/log' })
 * const [id] = await log.createShards([sequenceNumber(1n)])
 * const shard = log.shard(id!)
 * const builder = new BatchBuilder()
 * for (let i = 0; i < 1_000_000; i += 1) {
 *   builder.clear()
 *   builder.add(`key-${i % 100}`, new Uint8Array(100))
 *   shard.appendBatch(builder)
 * }
 * await shard.acknowledged() // all of them are on disk
 * ```
 */
export class NativeShard {
  readonly id: ShardId
  readonly #slot: number
  readonly #calls: NativeCalls
  readonly #progress: LogProgress
  /** The memory that was checked last: most callers append from one buffer again and again. */
  #checked: Uint8Array | undefined
  #acknowledgement: { readonly end: bigint; readonly promise: Promise<void> } | undefined

  constructor(id: ShardId, slot: number, calls: NativeCalls, progress: LogProgress) {
    this.id = id
    this.#slot = slot
    this.#calls = calls
    this.#progress = progress
  }

  /**
   * Appends `count` encoded records. They have their sequence numbers when this returns, and are
   * acknowledged when `acknowledged` says so. Throws what `Log.append` rejects with.
   */
  appendNow(bytes: Uint8Array, count: number, durability: Durability = 'disk'): void {
    if (bytes !== this.#checked) {
      checkBytes('bytes', bytes)
      this.#checked = bytes
    }
    if ((count | 0) !== count || count < 1 || count > recordCountMax) {
      checkInteger('count', count, 1, recordCountMax)
    }
    this.#calls.append(this.#slot, bytes, 0, bytes.length, count, durability)
  }

  /** Appends the records of a builder, without a view of its bytes. */
  appendBatch(builder: BatchBuilder, durability: Durability = 'disk'): void {
    const { memory, size, count } = builder
    if (count === 0) checkInteger('count', count, 1, recordCountMax)
    this.#calls.append(this.#slot, memory, 0, size, count, durability)
  }

  /** The first sequence number of the last append of this log: to be asked right after it. */
  get lastFirstSequenceNumber(): SequenceNumber {
    return this.#calls.appendFirstSequence as SequenceNumber
  }

  /**
   * Answers when everything that was appended to the shard so far is acknowledged. Rejects with
   * LOG_FAILED when a sync failed, and with LOG_CLOSED.
   */
  acknowledged(): Promise<void> {
    const end = this.#progress.positions.appendedEnd(this.#slot)
    if (this.#progress.committedEnd(this.#slot) >= end) return Promise.resolve()
    if (this.#acknowledgement?.end === end) return this.#acknowledgement.promise
    const promise = new Promise<void>((resolve, reject) => {
      this.#progress.addAck(this.#slot, end, { reached: resolve, failed: reject })
    })
    this.#acknowledgement = { end, promise }
    // A shard that failed before will not wake anybody again.
    this.#progress.wake()
    return promise
  }

  /** How far the shard can be read; costs no call. */
  get committedEnd(): Position {
    return this.#progress.committedEnd(this.#slot) as Position
  }

  /** As `Log.read`, at once. Throws what that rejects with. */
  readNow(position: Position, bytesMax: number): Slice {
    const available = this.#progress.committedEnd(this.#slot) - position
    const committedNext = this.#progress.positions.committedNextSequence(this.#slot)
    const committed = available < 0n ? 0n : available
    return this.#calls.read(this.#slot, position, bytesMax, committed, committedNext)
  }
}
