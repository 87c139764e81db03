/** Trimming shards to an arrival time, and what is remembered of them so that few are looked at. */

import { MillraceError } from '../errors.ts'
import type { Log, ReadOptions, SequenceNumber, ShardId, Slice } from '../log/log.ts'
import { batchLayout } from '../wire/batch-layout.ts'

/** The first record of a shard that arrived at a time or later, or the one that is to come. */
export interface FirstSince {
  readonly next: SequenceNumber
  /** When it arrived; undefined where it is not there yet. */
  readonly arrivalMillis: number | undefined
}

/** How to read what only headers are wanted of: without a copy, and without a key. */
export const headersAlone: ReadOptions = { borrow: true, asStored: true }

/** Undefined where the place is damaged. Rejects with what the log rejects with. */
export async function findSince(
  log: Log,
  shard: ShardId,
  millis: number,
): Promise<FirstSince | undefined> {
  const position = await log.seekTime(shard, millis)
  const slice = await readable(log.read(shard, { position }, 1, headersAlone))
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

/** What has expired now. */
export interface Due {
  /** Arrival times below it have. */
  readonly horizonMillis: number
  /** The retention clock, and what it showed a retention period ago. */
  readonly runMillis: number
  readonly expiredRunMillis: number
  /** The clock of the machine. */
  readonly wallMillis: number
}

/** That a shard had its records up to one when the retention clock showed a time. */
interface Mark {
  readonly runMillis: number
  readonly next: SequenceNumber
}

/** A stamp that is so far ahead of the clock of the machine says nothing of when it was made. */
const aheadMillisMax = 60_000
const marksPerPeriod = 24

export class ShardTrims {
  readonly #log: Log
  readonly #oldest = new Map<ShardId, Oldest>()
  /** Of shards whose stamps are ahead; ascending. */
  readonly #marks = new Map<ShardId, Mark[]>()

  constructor(log: Log) {
    this.#log = log
  }

  /**
   * Whether nothing of a shard can have expired, as far as is known: its oldest record is not older
   * than the horizon, or it had none within the retention period.
   */
  isDone(shard: ShardId, due: Due): boolean {
    const oldest = this.#oldest.get(shard)
    if (oldest === undefined) return false
    const { arrivalMillis, seenRunMillis } = oldest
    if (arrivalMillis === undefined) return seenRunMillis > due.expiredRunMillis
    return arrivalMillis >= due.horizonMillis && !isAhead(arrivalMillis, due)
  }

  /** Drops what has expired. */
  async trim(shard: ShardId, due: Due): Promise<void> {
    const first = await findSince(this.#log, shard, due.horizonMillis)
    if (first === undefined) return
    const { next, arrivalMillis } = first
    await this.#log.trim(shard, next)
    this.#oldest.set(shard, { arrivalMillis, seenRunMillis: due.runMillis })
    if (arrivalMillis !== undefined && isAhead(arrivalMillis, due))
      await this.#trimByMark(shard, due)
    else this.#marks.delete(shard)
  }

  /**
   * A clock that was ahead for a while has left stamps that nothing expires by for as long, as
   * those of a shard never go back. What such a shard has now expires a retention period from now.
   */
  async #trimByMark(shard: ShardId, { runMillis, expiredRunMillis }: Due): Promise<void> {
    const marks = this.#marks.get(shard) ?? []
    this.#marks.set(shard, marks)
    const last = marks.at(-1)?.runMillis ?? Number.NEGATIVE_INFINITY
    if (runMillis - last >= (runMillis - expiredRunMillis) / marksPerPeriod) {
      const { committedNextSequenceNumber } = this.#log.readableRange(shard)
      marks.push({ runMillis, next: committedNextSequenceNumber as SequenceNumber })
    }
    const expired = marks.filter((it) => it.runMillis <= expiredRunMillis).at(-1)
    if (expired === undefined) return
    marks.splice(0, marks.indexOf(expired) + 1)
    await this.#log.trim(shard, expired.next)
  }

  /** Drops everything that a shard has. */
  async trimAll(shard: ShardId): Promise<void> {
    const { committedNextSequenceNumber } = this.#log.readableRange(shard)
    await this.#log.trim(shard, committedNextSequenceNumber as SequenceNumber)
  }

  forget(shard: ShardId): void {
    this.#oldest.delete(shard)
    this.#marks.delete(shard)
  }
}

function isAhead(arrivalMillis: number, { wallMillis }: Due): boolean {
  return arrivalMillis > wallMillis + aheadMillisMax
}
