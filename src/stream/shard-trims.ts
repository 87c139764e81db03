/** Trimming shards to an arrival time, and what is remembered of them so that few are looked at. */

import { MillraceError } from '../errors.ts'
import type { Log, SequenceNumber, ShardId, Slice } from '../log/log.ts'
import { batchLayout } from '../wire/batch-layout.ts'

/** The first record of a shard that arrived at a time or later, or the one that is to come. */
export interface FirstSince {
  readonly next: SequenceNumber
  /** When it arrived; undefined where it is not there yet. */
  readonly arrivalMillis: number | undefined
}

/** Undefined where the place is damaged. Rejects with what the log rejects with. */
export async function findSince(
  log: Log,
  shard: ShardId,
  millis: number,
): Promise<FirstSince | undefined> {
  const position = await log.seekTime(shard, millis)
  const slice = await readable(log.read(shard, { position }, 1, { borrow: true }))
  if (slice === undefined) return undefined
  const { bytes } = slice
  if (bytes.length === 0) {
    return { next: slice.committedNextSequenceNumber, arrivalMillis: undefined }
  }
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length)
  const arrivalMillis = Number(view.getBigUint64(batchLayout.arrivalAt))
  return { next: slice.firstSequenceNumber, arrivalMillis }
}

/** Undefined for a place that is damaged. */
export async function readable(slice: Promise<Slice>): Promise<Slice | undefined> {
  try {
    return await slice
  } catch (error) {
    const isDamage = error instanceof MillraceError && error.code === 'LOG_CORRUPT'
    if (isDamage) return undefined
    throw error
  }
}

/** When the oldest record of a shard arrived, or since when there is none. */
interface Oldest {
  readonly arrivalMillis: number | undefined
  readonly seenRunMillis: number
}

export class ShardTrims {
  readonly #log: Log
  readonly #oldest = new Map<ShardId, Oldest>()

  constructor(log: Log) {
    this.#log = log
  }

  /**
   * Whether nothing of a shard can have expired, as far as is known: its oldest record is not older
   * than the horizon, or it had none within the retention period.
   */
  isDone(shard: ShardId, horizonMillis: number, expiredRunMillis: number): boolean {
    const oldest = this.#oldest.get(shard)
    if (oldest === undefined) return false
    const { arrivalMillis, seenRunMillis } = oldest
    return arrivalMillis === undefined
      ? seenRunMillis > expiredRunMillis
      : arrivalMillis >= horizonMillis
  }

  /** Drops what arrived before the horizon; `runMillis` is the time of the retention clock. */
  async trim(shard: ShardId, horizonMillis: number, runMillis: number): Promise<void> {
    const first = await findSince(this.#log, shard, horizonMillis)
    if (first === undefined) return
    await this.#log.trim(shard, first.next)
    this.#oldest.set(shard, { arrivalMillis: first.arrivalMillis, seenRunMillis: runMillis })
  }

  /** Drops everything that a shard has. */
  async trimAll(shard: ShardId): Promise<void> {
    const { committedNextSequenceNumber } = await this.#log.shardStats(shard)
    await this.#log.trim(shard, committedNextSequenceNumber as SequenceNumber)
  }

  forget(shard: ShardId): void {
    this.#oldest.delete(shard)
  }
}
