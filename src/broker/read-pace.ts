/**
 * How many bytes to read for a number of records: the log reads by bytes, GetRecords asks by
 * records. A guess that is too low costs the client another call, one that is too high is work for
 * nothing.
 */

import { getRecordsBytesMax } from '../limits.ts'
import type { ShardId } from '../log/log.ts'

const bytesMin = 64 * 1024
const bytesPerRecordFirst = 2048
/** Records are not all of one size. */
const spare = 1.25
const shardsMax = 100_000

export class ReadPace {
  /** By shard, as the last reads have shown. */
  readonly #bytesPerRecord = new Map<ShardId, number>()

  bytesFor(shard: ShardId, recordCount: number): number {
    const perRecord = this.#bytesPerRecord.get(shard) ?? bytesPerRecordFirst
    const bytes = recordCount * perRecord * spare
    return Math.min(Math.max(Math.ceil(bytes), bytesMin), getRecordsBytesMax)
  }

  learn(shard: ShardId, bytes: number, recordCount: number): void {
    if (recordCount === 0) return
    if (this.#bytesPerRecord.size >= shardsMax) this.#bytesPerRecord.clear()
    this.#bytesPerRecord.set(shard, bytes / recordCount)
  }
}
