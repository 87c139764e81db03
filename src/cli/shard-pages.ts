/** One shard from a place on, page after page, for commands that print its records. */

import type { Client } from '../client/client.ts'
import { systemClock } from '../client/clock.ts'
import type { ShardPosition } from '../client/resume-token.ts'
import { type Gap, ShardCursor, type ShardStart } from '../client/shard-cursor.ts'
import type { ShardDescription } from '../wire/operations.ts'
import type { From } from './positions.ts'
import type { PrintedRecord } from './record-text.ts'

export interface ShardPagesOptions {
  readonly client: Client
  readonly stream: string
  readonly shard: ShardDescription
  readonly from: From
  /** Records of a page at most. */
  readonly recordsMax: number
  readonly signal: AbortSignal
  /** Told of records that cannot be read any more. */
  readonly onGap: (gap: Gap) => void
}

function startOf(from: From): ShardStart {
  if (from.kind === 'time') return { type: 'AT_TIMESTAMP', timestamp: from.millis }
  if (from.kind === 'sequenceNumber') {
    return { type: 'AT_SEQUENCE_NUMBER', next: from.sequenceNumber }
  }
  return { type: from.kind === 'oldest' ? 'TRIM_HORIZON' : 'LATEST' }
}

export class ShardPages {
  readonly #shard: ShardDescription
  readonly #cursor: ShardCursor
  readonly #onGap: (gap: Gap) => void
  #next: bigint | undefined
  /** Whether the shard is closed and has been read to its end. */
  #isClosed = false

  constructor({ client, stream, shard, from, recordsMax, signal, onGap }: ShardPagesOptions) {
    this.#shard = shard
    this.#onGap = onGap
    const parts = { verbs: client, clock: systemClock, streamName: stream, recordsMax, signal }
    this.#cursor = new ShardCursor(parts, shard, startOf(from))
  }

  get isClosed(): boolean {
    return this.#isClosed
  }

  /** Behind the records that were handed out. */
  get position(): ShardPosition {
    const { shardNumber, shardId } = this.#shard
    return { shardNumber, shardId, next: this.#isClosed ? undefined : this.#next }
  }

  /** Finds out where the shard is read from now on. Rejects as `page`. */
  async pin(): Promise<void> {
    await this.#cursor.pin()
    this.#next = this.#cursor.next
  }

  /** What there is next; empty where there is nothing now. Rejects with what does not heal. */
  async page(): Promise<readonly PrintedRecord[]> {
    const { records, gap, isEnd } = await this.#cursor.fetch()
    this.#next = this.#cursor.next
    this.#isClosed = isEnd
    if (gap !== undefined) {
      this.#onGap(gap)
      // Behind what is gone there may be more, now.
      if (records.recordCount === 0 && !isEnd) return await this.page()
    }
    const { shardId } = this.#shard
    return Array.from(records, ({ sequenceNumber, partitionKey, arrivalMillis, data }) => {
      return { shardId, sequenceNumber, partitionKey, arrivalMillis, data }
    })
  }

  /** Pages of what arrived up to `millis`; undefined, and the place kept, at what came later. */
  pagesUntil(millis: number): () => Promise<readonly PrintedRecord[] | undefined> {
    let isThrough = false
    return async () => {
      if (isThrough || this.#isClosed) return undefined
      const page = await this.page()
      const later = page.findIndex((it) => it.arrivalMillis > millis)
      isThrough = page.length === 0 || later >= 0
      if (later < 0) return page
      this.#next = (page[later] as PrintedRecord).sequenceNumber
      // The shard goes on behind the place that is kept.
      this.#isClosed = false
      return page.slice(0, later)
    }
  }
}
