/**
 * Reads one shard, request after request: keeps its place across iterators that expire, brokers
 * that restart and connections that are lost, and tells of records that are gone.
 */

import { MillraceError } from '../errors.ts'
import type { ShardDescription } from '../wire/operations.ts'
import { RecordWindow } from '../wire/record-window.ts'
import type { SliceOptions } from '../wire/slice-cursor.ts'
import type { Verbs } from '../wire/verbs.ts'
import type { Clock } from './clock.ts'
import { healing } from './healing.ts'

/** Records that will never be delivered: trimmed, damaged on disk, or of a deleted stream. */
export interface Gap {
  readonly shardId: string
  /** Of the first record that is missing. */
  readonly lostFrom: bigint
  /** Of the first one after them; undefined where the shard itself is gone. */
  readonly firstAvailable: bigint | undefined
}

/** Where a shard is read from at first. */
export type ShardStart =
  | { readonly type: 'TRIM_HORIZON' | 'LATEST' }
  | { readonly type: 'AT_TIMESTAMP'; readonly timestamp: number }
  | { readonly type: 'AT_SEQUENCE_NUMBER'; readonly next: bigint }

/** What one request brought. */
export interface Fetched {
  readonly records: RecordWindow
  readonly gap: Gap | undefined
  readonly millisBehindLatest: number
  /** Whether the shard is closed, and these are its last records. */
  readonly isEnd: boolean
  /** At the end: the shards that follow. */
  readonly childShardIds: readonly string[]
}

export interface CursorParts extends SliceOptions {
  readonly verbs: Verbs
  readonly clock: Clock
  readonly streamName: string
  readonly recordsMax: number
  readonly signal: AbortSignal
}

export class ShardCursor {
  readonly #parts: CursorParts
  readonly shard: ShardDescription
  #start: ShardStart
  #iterator: string | undefined
  /** Iterators in a row of which none was good for a read. */
  #renewals = 0

  constructor(parts: CursorParts, shard: ShardDescription, start: ShardStart) {
    this.#parts = parts
    this.shard = shard
    this.#start = start
  }

  /** The number of the record that the next fetch begins with, as soon as that is known. */
  get next(): bigint | undefined {
    return this.#start.type === 'AT_SEQUENCE_NUMBER' ? this.#start.next : undefined
  }

  /**
   * Finds out which record comes next, so that the place can be kept: what `latest` means now must
   * not change with a lost connection. Rejects as `fetch`.
   */
  async pin(): Promise<void> {
    if (this.next !== undefined) return
    await this.#healing(async () => {
      this.#iterator ??= await this.#newIterator()
      const next = await this.#firstAt(this.#iterator)
      this.#renewals = 0
      this.#start = { type: 'AT_SEQUENCE_NUMBER', next }
    })
  }

  /** The record at an iterator. A damaged one has its place as others have: `fetch` tells of it. */
  async #firstAt(iterator: string): Promise<bigint> {
    const { verbs, signal } = this.#parts
    try {
      const { records } = await verbs.getRecords(iterator, { limit: 1 }, { signal })
      return records.firstSequenceNumber
    } catch (error) {
      const isDamage = error instanceof MillraceError && error.code === 'LOG_CORRUPT'
      if (isDamage && error.range !== undefined) return error.range.start
      throw error
    }
  }

  /**
   * Reads once; what heals is waited for. Rejects with what does not: STREAM_NOT_FOUND or
   * SHARD_NOT_FOUND (it was deleted), SEQUENCE_NUMBER_IN_FUTURE (the broker has lost records that
   * were read), CLIENT_CLOSED, ACCESS_DENIED, ... and the reason of the signal.
   */
  fetch(): Promise<Fetched> {
    return this.#healing(async () => {
      try {
        return await this.#read()
      } catch (error) {
        const past = this.#skipDamage(error)
        if (past !== undefined) return past
        throw error
      }
    })
  }

  async #healing<Answer>(action: () => Promise<Answer>): Promise<Answer> {
    const { clock, signal } = this.#parts
    return await healing(clock, signal, async () => {
      for (;;) {
        try {
          return await action()
        } catch (error) {
          if (!this.#renew(error)) throw error
        }
      }
    })
  }

  async #read(): Promise<Fetched> {
    const { verbs, signal, recordsMax } = this.#parts
    this.#iterator ??= await this.#newIterator()
    const answer = await verbs.getRecords(this.#iterator, { limit: recordsMax }, { signal })
    const { records, nextShardIterator, millisBehindLatest, childShards } = answer
    const first = records.firstSequenceNumber
    const expected = this.next
    this.#renewals = 0
    this.#iterator = nextShardIterator
    this.#start = { type: 'AT_SEQUENCE_NUMBER', next: first + BigInt(records.recordCount) }
    const isGap = expected !== undefined && first > expected
    return {
      records: new RecordWindow(records, this.#parts),
      gap: isGap ? this.#gap(expected, first) : undefined,
      millisBehindLatest,
      isEnd: nextShardIterator === undefined,
      childShardIds: childShards.map((it) => it.shardId),
    }
  }

  #newIterator(): Promise<string> {
    const { verbs, streamName, signal } = this.#parts
    const start = this.#start
    return verbs.getShardIterator(
      streamName,
      {
        shardId: this.shard.shardId,
        shardIteratorType: start.type,
        ...(start.type === 'AT_SEQUENCE_NUMBER' ? { startingSequenceNumber: start.next } : {}),
        ...(start.type === 'AT_TIMESTAMP' ? { timestamp: start.timestamp } : {}),
      },
      { signal },
    )
  }

  /** An iterator that is too old, or of a broker that was there before, is replaced. */
  #renew(error: unknown): boolean {
    const code = error instanceof MillraceError ? error.code : undefined
    const isStale = code === 'ITERATOR_EXPIRED' || code === 'INVALID_ARGUMENT'
    if (!isStale || this.#iterator === undefined || this.#renewals >= 2) return false
    this.#iterator = undefined
    this.#renewals += 1
    return true
  }

  /** A batch that is damaged on disk is passed over, as a gap. */
  #skipDamage(error: unknown): Fetched | undefined {
    if (!(error instanceof MillraceError) || error.code !== 'LOG_CORRUPT') return undefined
    const { range } = error
    if (range === undefined || range.end <= (this.next ?? 0n)) return undefined
    this.#iterator = undefined
    this.#start = { type: 'AT_SEQUENCE_NUMBER', next: range.end }
    return onlyGap(this.#gap(range.start, range.end), range.end)
  }

  /** What is left to be told of a shard that is there no more. */
  expired(childShardIds: readonly string[]): Fetched {
    const next = this.next ?? this.shard.startingSequenceNumber
    const gap = { shardId: this.shard.shardId, lostFrom: next, firstAvailable: undefined }
    return { ...onlyGap(gap, next), isEnd: true, childShardIds }
  }

  #gap(lostFrom: bigint, firstAvailable: bigint): Gap {
    return { shardId: this.shard.shardId, lostFrom, firstAvailable }
  }
}

/** A gap, and no records after it, before the one with the number `next`. */
export function onlyGap(gap: Gap, next: bigint): Fetched {
  const records = new RecordWindow({
    slice: new Uint8Array(),
    firstSequenceNumber: next,
    recordCount: 0,
  })
  return { records, gap, millisBehindLatest: 1, isEnd: false, childShardIds: [] }
}
