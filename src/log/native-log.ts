/**
 * The log over the core in this process. Each worker thread that opens a directory shares its core.
 */

import { MillraceError } from '../errors.ts'
import { checkBytes, checkInteger, unsigned32Max } from '../wire/arguments.ts'
import {
  checkAppendOptions,
  checkBatch,
  checkDurability,
  checkPutOptions,
} from './append-arguments.ts'
import { binding, constants, type NativeLogHandle } from './binding.ts'
import { setKeys } from './encryption.ts'
import {
  type AppendAnswer,
  type AppendOptions,
  type Batch,
  type KeyName,
  type Log,
  type LogStats,
  type MasterKey,
  type Position,
  type PutRecordsAnswer,
  type PutRecordsOptions,
  position,
  type ReadableRange,
  type ReadFrom,
  type ReadOptions,
  type Route,
  type RouteOptions,
  type ScrubReport,
  type SequenceNumber,
  type ShardId,
  type ShardStats,
  type ShardTraffic,
  type ShardWatch,
  type Slice,
  sequenceNumber,
  shardId,
  type TailAnswer,
  type Waiter,
} from './log.ts'
import { LogProgress } from './log-progress.ts'
import { NativeCalls } from './native-calls.ts'
import { NativeShard } from './native-shard.ts'
import { NativeWatch } from './native-watch.ts'
import { checkDirectory, encodeOptions, type LogOptions } from './open-options.ts'
import { ownAnswer, PendingPut } from './pending-put.ts'
import { encodeLimits, encodeRoutes } from './routes.ts'
import { decodeTraffic } from './shard-traffic.ts'
import type { TailWaiter } from './tail-waiters.ts'

const operations = constants.controlOperations
const kinds = constants.statsKinds

/**
 * Opens the log in `dir`, and recovers what an unclean stop has left.
 *
 * Rejects: LOG_LOCKED (another process has it open), INVALID_ARGUMENT (this process has it open
 * with other options), FORMAT_UNSUPPORTED, CATALOG_UNREADABLE, ACCESS_DENIED, DISK_FULL,
 * LIMIT_EXCEEDED, LOG_FAILED.
 */
export async function openLog(options: LogOptions): Promise<NativeLog> {
  checkDirectory(options.dir)
  const values = encodeOptions(options)
  // Weak, or the core would keep the log alive that keeps the core open.
  let progress: WeakRef<LogProgress> | undefined
  const onWake = () => progress?.deref()?.wake()
  const handle = await new Promise<NativeLogHandle>((resolve, reject) => {
    binding.open(options.dir, values, onWake, (error, answer) => {
      if (error === undefined) resolve(answer as NativeLogHandle)
      else reject(error)
    })
  })
  return new NativeLog(handle, (made) => {
    progress = new WeakRef(made)
  })
}

export class NativeLog implements Log {
  readonly #handle: NativeLogHandle
  readonly #calls: NativeCalls
  readonly #progress: LogProgress
  readonly #slots = new Map<bigint, number>()
  #closing: Promise<void> | undefined

  /** For `openLog` alone; `connect` is given what the wake-ups of the handle go to. */
  constructor(handle: NativeLogHandle, connect: (progress: LogProgress) => void) {
    this.#handle = handle
    const progress = new LogProgress(handle)
    this.#progress = progress
    this.#calls = new NativeCalls(handle, () => progress.wakeSoon())
    connect(this.#progress)
  }

  async createShards(firstSequenceNumbers: readonly SequenceNumber[]): Promise<ShardId[]> {
    const list = BigUint64Array.from(firstSequenceNumbers, sequenceNumber)
    const shards = await this.#control<BigUint64Array | undefined>(
      operations.createShards,
      0n,
      0n,
      list,
    )
    return Array.from(shards ?? [], shardId)
  }

  async deleteShard(shard: ShardId): Promise<void> {
    await this.deleteShards([shard])
  }

  async deleteShards(shards: readonly ShardId[]): Promise<void> {
    const list = BigUint64Array.from(shards, shardId)
    await this.#control(operations.deleteShards, 0n, 0n, list)
    for (const shard of shards) this.#slots.delete(shard)
  }

  async sealShards(shards: readonly ShardId[]): Promise<void> {
    await this.#control(operations.sealShards, 0n, 0n, BigUint64Array.from(shards, shardId))
  }

  async listShards(): Promise<ShardId[]> {
    return Array.from(this.#stats<BigUint64Array>(kinds.shardList, 0), shardId)
  }

  append(shard: ShardId, batch: Batch, options: AppendOptions = {}): Promise<AppendAnswer> {
    return new Promise((done, failed) => this.appendThen(shard, batch, options, { done, failed }))
  }

  appendThen(
    shard: ShardId,
    batch: Batch,
    options: AppendOptions,
    waiter: Waiter<AppendAnswer>,
  ): void {
    try {
      this.#append(shard, batch, options, waiter)
    } catch (error) {
      waiter.failed(error)
    }
  }

  #append(
    shard: ShardId,
    batch: Batch,
    options: AppendOptions,
    waiter: Waiter<AppendAnswer>,
  ): void {
    checkBatch(batch)
    checkAppendOptions(options)
    const durability = checkDurability(options.durability)
    const slot = this.#slot(shard)
    const calls = this.#calls
    const { bytes } = batch
    calls.setAppendOptions(options, batch.codec ?? 0)
    try {
      calls.append(slot, bytes, 0, bytes.length, batch.count, durability)
    } finally {
      calls.resetAppendOptions()
    }
    const retryAfterMs = calls.appendRetryAfterMs
    if (retryAfterMs !== undefined) {
      throw new MillraceError('THROUGHPUT_EXCEEDED', undefined, { retryAfterMs })
    }
    const answer = calls.appendAnswer()
    const isCommitted = calls.appendCommitted
    // Answers keep the order of the appends: an earlier one may be committed and not know it yet.
    if (isCommitted && !this.#progress.hasAcks(slot)) {
      waiter.done(answer)
      return
    }
    const reached = () => waiter.done(answer)
    const failed = (error: unknown) => waiter.failed(error)
    this.#progress.addAck(slot, answer.endPosition, { reached, failed })
    if (isCommitted) this.#progress.wake()
  }

  setRoutes(routes: number, shards: readonly Route[], options: RouteOptions = {}): void {
    checkInteger('routes', routes, 0, unsigned32Max)
    this.#handle.setRoutes(
      routes,
      encodeRoutes(shards, options.previous),
      encodeLimits(options.limits),
    )
  }

  clearRoutes(routes: number): void {
    checkInteger('routes', routes, 0, unsigned32Max)
    this.#handle.setRoutes(routes, null, null)
  }

  setKeys(keys: readonly MasterKey[]): readonly KeyName[] {
    return setKeys(this.#handle, keys)
  }

  setEncryption(shards: readonly ShardId[], key: KeyName | undefined): void {
    const list = BigUint64Array.from(shards, shardId)
    this.#handle.setEncryption(list, key?.id ?? null, key?.check ?? 0n)
  }

  putRecords(
    routes: number,
    body: Uint8Array,
    options: PutRecordsOptions = {},
  ): Promise<PutRecordsAnswer> {
    return new Promise((resolve, failed) => {
      const done = (answer: PutRecordsAnswer) => resolve(ownAnswer(answer))
      this.putRecordsThen(routes, body, options, { done, failed })
    })
  }

  putRecordsThen(
    routes: number,
    body: Uint8Array,
    options: PutRecordsOptions,
    waiter: Waiter<PutRecordsAnswer>,
  ): void {
    try {
      this.#putRecords(routes, body, options, waiter)
    } catch (error) {
      waiter.failed(error)
    }
  }

  #putRecords(
    routes: number,
    body: Uint8Array,
    options: PutRecordsOptions,
    waiter: Waiter<PutRecordsAnswer>,
  ): void {
    checkInteger('routes', routes, 0, unsigned32Max)
    checkBytes('body', body)
    checkPutOptions(options, body.length)
    const durability = checkDurability(options.durability)
    const calls = this.#calls
    calls.putRecords(routes, body, durability, options)
    const progress = this.#progress
    const answer = calls.putAnswer()
    // Answers keep the order of the appends, as those of `append` do.
    const parts = calls.waitingParts((slot) => progress.hasAcks(slot))
    if (parts.length === 0) {
      waiter.done(answer)
      return
    }
    new PendingPut(answer, parts, waiter).wait(progress)
    if (parts.some((part) => part.committed)) progress.wake()
  }

  async read(
    shard: ShardId,
    from: ReadFrom,
    bytesMax: number,
    options: ReadOptions = {},
  ): Promise<Slice> {
    checkInteger('bytesMax', bytesMax, 1, unsigned32Max)
    const slot = this.#slot(shard)
    const start =
      'position' in from
        ? position(from.position)
        : this.#calls.seek(slot, sequenceNumber(from.sequenceNumber), false)
    const committedNext = this.#progress.positions.committedNextSequence(slot)
    const calls = this.#calls
    calls.readsAsStored = options.asStored === true
    try {
      if (options.borrow === true) {
        return calls.readBorrowed(slot, start, bytesMax, committedNext)
      }
      const available = this.#progress.committedEnd(slot) - start
      return calls.read(slot, start, bytesMax, available < 0n ? 0n : available, committedNext)
    } finally {
      calls.readsAsStored = false
    }
  }

  async tail(
    shard: ShardId,
    from: Position,
    options: { readonly signal?: AbortSignal } = {},
  ): Promise<TailAnswer> {
    const { signal } = options
    signal?.throwIfAborted()
    const slot = this.#slot(shard)
    const start = position(from)
    return await new Promise((resolve, reject) => {
      const leave = () => {
        this.#progress.removeTail(slot, waiter)
        reject(signal?.reason)
      }
      const waiter: TailWaiter = {
        position: start,
        moved: (end, closed) => {
          signal?.removeEventListener('abort', leave)
          resolve({ committedEnd: end as Position, closed })
        },
        failed: (error) => {
          signal?.removeEventListener('abort', leave)
          reject(error)
        },
      }
      signal?.addEventListener('abort', leave, { once: true })
      this.#progress.addTail(slot, waiter)
      // What was committed before the waiter was there wakes nobody.
      this.#progress.wake()
    })
  }

  watch(shard: ShardId, moved: () => void): ShardWatch {
    return new NativeWatch(this.#slot(shard), this.#calls, this.#progress, moved)
  }

  async seek(shard: ShardId, sequence: SequenceNumber): Promise<Position> {
    return this.#calls.seek(this.#slot(shard), sequenceNumber(sequence), false)
  }

  async seekTime(shard: ShardId, millis: number): Promise<Position> {
    checkInteger('millis', millis, 0, Number.MAX_SAFE_INTEGER)
    return this.#calls.seek(this.#slot(shard), BigInt(millis), true)
  }

  async trim(shard: ShardId, sequence: SequenceNumber): Promise<void> {
    this.#calls.trim(this.#slot(shard), sequenceNumber(sequence))
  }

  async flush(): Promise<void> {
    await this.#control(operations.flush)
  }

  async scrub(
    options: { readonly shard?: ShardId; readonly bytesPerSecond?: number } = {},
  ): Promise<ScrubReport> {
    const { shard = 0n, bytesPerSecond = 0 } = options
    checkInteger('bytesPerSecond', bytesPerSecond, 0, Number.MAX_SAFE_INTEGER)
    return await this.#control(operations.scrub, shardId(shard), BigInt(bytesPerSecond))
  }

  async stats(): Promise<LogStats> {
    return this.#stats(kinds.log, 0)
  }

  async shardStats(shard: ShardId): Promise<ShardStats> {
    return this.#stats(kinds.shard, this.#slot(shard))
  }

  readableRange(shard: ShardId): ReadableRange {
    return this.#progress.positions.readableRange(this.#slot(shard))
  }

  async shardTraffic(): Promise<ShardTraffic[]> {
    return decodeTraffic(this.#stats(kinds.shardTraffic, 0))
  }

  /**
   * The shard for programs that embed the log; see NativeShard. Throws SHARD_NOT_FOUND, LOG_CLOSED.
   */
  shard(id: ShardId): NativeShard {
    return new NativeShard(id, this.#slot(id), this.#calls, this.#progress)
  }

  close(): Promise<void> {
    this.#closing ??= this.#closeOnce()
    return this.#closing
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close()
  }

  async #closeOnce(): Promise<void> {
    try {
      await this.#control(operations.close)
    } finally {
      this.#progress.close()
    }
  }

  #slot(shard: ShardId): number {
    const known = this.#slots.get(shard)
    if (known !== undefined) return known
    const slot = this.#handle.shardSlot(shardId(shard))
    this.#progress.positions.chunk(slot)
    this.#slots.set(shard, slot)
    return slot
  }

  #stats<Answer>(kind: number, slot: number): Answer {
    return this.#handle.stats(kind, slot) as Answer
  }

  async #control<Answer = undefined>(
    operation: number,
    shard = 0n,
    amount = 0n,
    list: BigUint64Array | null = null,
  ): Promise<Answer> {
    const answer = await new Promise<unknown>((resolve, reject) => {
      this.#handle.control(operation, shard, amount, list, (error, value) => {
        if (error === undefined) resolve(value)
        else reject(error)
      })
    })
    this.#progress.wake()
    return answer as Answer
  }
}
