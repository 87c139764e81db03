/**
 * The log as everything above it sees it. Narrow and neutral: an implementation may be the core in
 * this process or an engine on other machines, so an append is never synchronous here, and the
 * bytes of a slice are never assumed to be local memory.
 *
 * Every method that answers a promise rejects with a MillraceError when the operation fails, and
 * with a TypeError or a RangeError when it is misused.
 */

import type { ErrorCode } from '../errors.ts'
import type { Position, SequenceNumber, ShardId } from '../wire/numbers.ts'
import type { Durability } from '../wire/operations.ts'
import type { KeyName, MasterKey } from './encryption.ts'
import type { Route, RouteOptions, ShardTraffic } from './routing.ts'
import type { SliceMemory } from './slice-pool.ts'

export {
  type Position,
  position,
  type SequenceNumber,
  type ShardId,
  sequenceNumber,
  shardId,
} from '../wire/numbers.ts'

export type { Durability } from '../wire/operations.ts'
export type { KeyName, MasterKey } from './encryption.ts'
export type { Route, RouteOptions, ShardTraffic, ThroughputLimits } from './routing.ts'

/** Records for one shard: `count` encoded records back to back, as a BatchBuilder makes them. */
export interface Batch {
  readonly bytes: Uint8Array
  readonly count: number
  /** How the producer compressed `bytes`; 0, or left out = not at all. */
  readonly codec?: number
}

export interface AppendOptions {
  /** `disk` unless told otherwise. */
  readonly durability?: Durability
  /** The writer's epoch: below the shard's it is fenced off (WRITER_FENCED), above it raises it. */
  readonly epoch?: number
  /** The sequence number that the first record must get, else WRITER_FENCED. */
  readonly expectedSequenceNumber?: SequenceNumber
  /** Makes the append idempotent, with `producerSequence`: a repeat gets the first answer. */
  readonly producerId?: bigint
  /** Counts the producer's batches to this shard, without gaps (PRODUCER_SEQUENCE_GAP). */
  readonly producerSequence?: number
  /** Key and data of one record, in bytes (RECORD_TOO_LARGE); 10 MiB unless told otherwise. */
  readonly recordBytesMax?: number
  /** Whether records without a key are refused (INVALID_ARGUMENT). */
  readonly keysRequired?: boolean
  /**
   * Whether the part of the disk may be used that is kept free otherwise: for what has to be
   * written to free space. DISK_FULL then means that nothing is left at all.
   */
  readonly usesReserve?: boolean
  /**
   * Whether only repeats of a producer are answered, and what is new is SHARD_CLOSED: of a shard
   * whose records go to others by now, and which is not sealed yet.
   */
  readonly repeatsOnly?: boolean
  /**
   * The routes, and the place among the open shards of them, for which the append counts: their
   * limits have room for all of it, or refuse it (THROUGHPUT_EXCEEDED, with retryAfterMs).
   */
  readonly meter?: { readonly routes: number; readonly route: number } | undefined
  /** As in PutRecordsOptions. */
  readonly nowMillis?: number | undefined
}

export interface AppendAnswer {
  /** Of the first record; the others follow without gaps. */
  readonly firstSequenceNumber: SequenceNumber
  readonly count: number
  /** What the acknowledgement means; `disk` also where `os` was asked for and a sync came first. */
  readonly durability: Durability
  /** Whether this was a repeat of an idempotent producer, and the answer that of the first time. */
  readonly duplicate: boolean
  /** The position after the batch. */
  readonly endPosition: Position
}

export interface PutRecordsOptions {
  /** Where the request begins in the bytes that hold it; 0 unless told otherwise. */
  readonly start?: number
  readonly durability?: Durability
  readonly epoch?: number
  /** Key and data of one record, in bytes (RECORD_TOO_LARGE). */
  readonly recordBytesMax?: number
  /** As in AppendOptions. */
  readonly keysRequired?: boolean
  /**
   * The clock by which limits measure: one that never goes back, and the same for all who put. The
   * machine's unless it is given.
   */
  readonly nowMillis?: number | undefined
}

export interface PutRecordsAnswer {
  /**
   * The answer as MessagePack, ready to be sent; its form is that of native/ingest/put_records.h.
   */
  readonly bytes: Uint8Array
  /** How many of the records were refused; the answer says which, and why. */
  readonly failedCount: number
  /** What the acknowledgement means for all that was not refused: the weakest of the shards'. */
  readonly durability: Durability
  /** What each shard did with its part, in the order of `bytes`. */
  readonly parts: readonly PutPart[]
}

/**
 * What one shard did with records of a PutRecords request. One that is beyond its limits with some
 * of them has two parts.
 */
export interface PutPart {
  /** The place of the shard among the open ones, or, counted on, in the previous maps. */
  readonly route: number
  /** Records. */
  readonly count: number
  readonly firstSequenceNumber: SequenceNumber
  /** Why the shard refused them; undefined where it has them. */
  readonly errorCode: ErrorCode | undefined
  /** With THROUGHPUT_EXCEEDED: how long to wait before the next try. */
  readonly retryAfterMs: number | undefined
}

/** Who is told how a call ends. Exactly one of the two is called, once; neither may throw. */
export interface Waiter<Answer> {
  done(answer: Answer): void
  failed(error: unknown): void
}

/** Where a read begins: at the start of a batch, or at the batch that holds a record. */
export type ReadFrom = { readonly position: Position } | { readonly sequenceNumber: SequenceNumber }

export interface ReadOptions {
  /**
   * Allows bytes that belong to the log: valid until the records are trimmed or the log is closed
   * (they are then of length 0), and never to be written to. Worth it from 64 KiB on.
   */
  readonly borrow?: boolean
  /**
   * Leaves encrypted batches as they are, for who wants no more than their headers: it needs no
   * key.
   */
  readonly asStored?: boolean
}

/**
 * A run of whole batches, byte for byte as stored, or decrypted. A SliceCursor reads its records.
 * Of decrypted batches there are fewer bytes than positions.
 */
export interface Slice {
  /** Empty when nothing more is committed. */
  readonly bytes: Uint8Array
  readonly position: Position
  /** Where the next read begins. */
  readonly nextPosition: Position
  /** Of the first batch, which may begin before the record that was asked for. */
  readonly firstSequenceNumber: SequenceNumber
  /** One past the last record. */
  readonly nextSequenceNumber: SequenceNumber
  readonly batchCount: number
  readonly recordCount: number
  /** One past the last record that could be read when the slice was made. */
  readonly committedNextSequenceNumber: SequenceNumber
}

export interface TailAnswer {
  /** How far the shard can be read. */
  readonly committedEnd: Position
  /** Whether nothing will ever come after it, as the shard takes no more records. */
  readonly closed: boolean
}

/** One shard as those see it who read it as it grows. */
export interface ShardWatch {
  /** How far the shard can be read. */
  readonly committedEnd: Position
  /** One past the last record that can be read. */
  readonly committedNextSequenceNumber: SequenceNumber
  /** Whether nothing will ever come behind `committedEnd`: to be asked before that is. */
  readonly isClosed: boolean
  /** Why nothing more can be read behind `committedEnd`; undefined while something may. */
  readonly stopReason: unknown
  /**
   * As `Log.read`, of what is at hand; empty where nothing is. The bytes are copied: memory that is
   * used again and again stays in the cache of the processor, where a view of the log costs more
   * than the copy. Throws what `Log.read` rejects with.
   */
  readNow(position: Position, bytesMax: number, memory: SliceMemory): Slice
  /** Nobody is told anything any more. */
  end(): void
}

/** A range of positions that cannot be served. */
export interface DamagedRange {
  readonly start: bigint
  readonly end: bigint
  readonly expectedSequenceNumber: bigint
  readonly nextSequenceNumber: bigint
}

export interface ShardStats {
  readonly shard: bigint
  readonly trimmedStart: bigint
  readonly committedEnd: bigint
  readonly appendedEnd: bigint
  readonly syncedEnd: bigint
  /** The oldest that can be read. */
  readonly firstSequenceNumber: bigint
  /** Of the next append. */
  readonly nextSequenceNumber: bigint
  /** One past the last that can be read. */
  readonly committedNextSequenceNumber: bigint
  readonly lastArrivalMillis: number
  readonly epoch: number
  readonly segmentCount: number
  readonly segmentBytes: number
  readonly indexBytes: number
  readonly producerCount: number
  readonly sealed: boolean
  readonly failed: boolean
  readonly damaged: readonly DamagedRange[]
}

/** What can be read: from the first number to the one before the other. */
export type ReadableRange = Pick<ShardStats, 'firstSequenceNumber' | 'committedNextSequenceNumber'>

export interface LogStats {
  readonly shardCount: number
  readonly appendCount: number
  readonly appendBytes: number
  readonly syncCount: number
  readonly syncGroupCount: number
  /** Of those, the ones put off for the event loop, which shared their processor. */
  readonly syncWaitCount: number
  readonly syncMicrosTotal: number
  readonly diskBytesFree: number
  readonly diskLowWaterBytes: number
  readonly diskFull: boolean
  readonly spareSegmentCount: number
  readonly mappedSegmentCount: number
  readonly scrubbedBytes: number
  readonly scrubPassCount: number
  readonly damagedRangeCount: number
  readonly openedClean: boolean
  readonly openMicros: number
  readonly recoveredTornShards: number
  readonly recoveredTornBytes: number
  readonly provenBytes: number
}

/** What a scrub or a verification found. */
export interface ScrubReport {
  readonly segmentCount: number
  readonly batchCount: number
  readonly recordCount: number
  readonly bytes: number
  /** Verification alone: tails that the next open will cut. */
  readonly tornShards: number
  /** Verification alone: files that belong to no shard. */
  readonly freeSegments: number
  readonly damaged: readonly (DamagedRange & { readonly shard: bigint; readonly reason: string })[]
}

export interface Log extends AsyncDisposable {
  /**
   * Creates shards, one for each given first sequence number (at least 1); on disk when it answers.
   * Rejects: INVALID_ARGUMENT, DISK_FULL, LIMIT_EXCEEDED, LOG_FAILED, LOG_CLOSED.
   */
  createShards(firstSequenceNumbers: readonly SequenceNumber[]): Promise<ShardId[]>
  /** Forgets a shard and its records; on disk when it answers. Rejects: SHARD_NOT_FOUND, ... */
  deleteShard(shard: ShardId): Promise<void>
  /**
   * The same for several at once, in the time of one: all of them, or none. Rejects: DISK_FULL when
   * there is no room to say so; nothing has changed then, and it can be tried again.
   */
  deleteShards(shards: readonly ShardId[]): Promise<void>
  /**
   * Closes shards to appends for good, in the time of one; reads go on. On disk when it answers.
   * Rejects: SHARD_NOT_FOUND, LOG_FAILED, LOG_CLOSED; DISK_FULL when there is no room to say so:
   * the shards take appends as before, and it can be tried again.
   */
  sealShards(shards: readonly ShardId[]): Promise<void>
  listShards(): Promise<ShardId[]>

  /**
   * Appends one batch; answers when it is acknowledged. Appends to one shard are numbered in the
   * order of the calls. Rejects: INVALID_ARGUMENT, PROTOCOL_VIOLATION or RECORD_TOO_LARGE (the
   * records), SHARD_NOT_FOUND, SHARD_CLOSED, WRITER_FENCED, PRODUCER_SEQUENCE_GAP, DISK_FULL,
   * LOG_FAILED, LOG_CLOSED.
   */
  append(shard: ShardId, batch: Batch, options?: AppendOptions): Promise<AppendAnswer>

  /**
   * As `append`, for who serves many: `waiter` is told before the call returns where the
   * acknowledgement holds by then, else later. It is told of everything that `append` rejects with.
   */
  appendThen(
    shard: ShardId,
    batch: Batch,
    options: AppendOptions,
    waiter: Waiter<AppendAnswer>,
  ): void

  /**
   * Says which shards the records of stream `routes` go to: they tile the hash space, in order.
   * Throws INVALID_ARGUMENT, SHARD_NOT_FOUND, LIMIT_EXCEEDED, LOG_CLOSED.
   */
  setRoutes(routes: number, shards: readonly Route[], options?: RouteOptions): void
  /** Forgets the routes of a stream. */
  clearRoutes(routes: number): void

  /**
   * The keys that shards are encrypted with and read by, and no others, from now on. Answers what
   * names each of them. Throws INVALID_ARGUMENT, ENCRYPTION_UNAVAILABLE, LOG_CLOSED.
   */
  setKeys(keys: readonly MasterKey[]): readonly KeyName[]
  /**
   * Encrypts what is appended to these shards from now on, or nothing of it any more. It is to be
   * said after each open, before anything is appended. While the log has no such key, appends are
   * refused (KEY_NOT_FOUND, KEY_MISMATCH, ENCRYPTION_UNAVAILABLE). Throws SHARD_NOT_FOUND,
   * LOG_CLOSED.
   */
  setEncryption(shards: readonly ShardId[], key: KeyName | undefined): void

  /**
   * Appends the records of one PutRecords request to the shards of `routes`; `body` is only read
   * during the call. Answers when all that was not refused is acknowledged: refused records fail
   * alone, and the answer says which. Rejects, with nothing appended: PROTOCOL_VIOLATION,
   * INVALID_ARGUMENT, RECORD_TOO_LARGE, LOG_CLOSED; LOG_FAILED when a sync failed after the append.
   */
  putRecords(
    routes: number,
    body: Uint8Array,
    options?: PutRecordsOptions,
  ): Promise<PutRecordsAnswer>

  /**
   * As `putRecords`, with a waiter as `appendThen` has it. The bytes of the answer are only lent to
   * it: they change with the next call.
   */
  putRecordsThen(
    routes: number,
    body: Uint8Array,
    options: PutRecordsOptions,
    waiter: Waiter<PutRecordsAnswer>,
  ): void

  /**
   * Reads whole batches: at most `bytesMax` bytes, but always at least one batch when there is one.
   * Rejects: SEQUENCE_NUMBER_TRIMMED (its range starts where reading can go on),
   * SEQUENCE_NUMBER_IN_FUTURE, LOG_CORRUPT (go on at the end of its range), LOG_FAILED,
   * SHARD_NOT_FOUND, LOG_CLOSED; of encrypted batches KEY_NOT_FOUND, KEY_MISMATCH,
   * ENCRYPTION_UNAVAILABLE.
   */
  read(shard: ShardId, from: ReadFrom, bytesMax: number, options?: ReadOptions): Promise<Slice>

  /**
   * Waits until the shard can be read beyond `position`, or never will be. Rejects with the reason
   * of `signal` when that is aborted, and with LOG_FAILED, SHARD_NOT_FOUND or LOG_CLOSED.
   */
  tail(
    shard: ShardId,
    position: Position,
    options?: { readonly signal?: AbortSignal },
  ): Promise<TailAnswer>

  /**
   * Watches a shard for many readers at once: `moved` is called when more can be read, or something
   * else about its end has changed; it must not throw. Throws SHARD_NOT_FOUND, LOG_CLOSED.
   */
  watch(shard: ShardId, moved: () => void): ShardWatch

  /** The position of the batch that holds a record. Rejects as `read` does. */
  seek(shard: ShardId, sequenceNumber: SequenceNumber): Promise<Position>
  /** The position of the first batch that arrived at `millis` (since 1970) or later. */
  seekTime(shard: ShardId, millis: number): Promise<Position>

  /** Drops whole batches below the one that holds `sequenceNumber`. */
  trim(shard: ShardId, sequenceNumber: SequenceNumber): Promise<void>

  /** Answers when everything appended so far is on disk. */
  flush(): Promise<void>
  /** Checks every committed batch (of one shard, or of all), at most so many bytes per second. */
  scrub(options?: {
    readonly shard?: ShardId
    readonly bytesPerSecond?: number
  }): Promise<ScrubReport>
  stats(): Promise<LogStats>
  shardStats(shard: ShardId): Promise<ShardStats>
  /** The two numbers of `shardStats` that are asked for the most, without a call into the core. */
  readableRange(shard: ShardId): ReadableRange
  /** Of all open shards that have routes. */
  shardTraffic(): Promise<ShardTraffic[]>

  /**
   * Commits everything and lets go of the log; what is called later rejects with LOG_CLOSED. On a
   * disk that is full, too: the next open then looks at all that was not sealed. Rejects with
   * LOG_FAILED where something that was appended may not be on disk; the log is closed then, too.
   */
  close(): Promise<void>
}
