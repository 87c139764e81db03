/** The metrics of the shards of a stream for which they are told. Pure. */

import type { ShardTraffic } from '../log/log.ts'
import type { Stream } from '../stream/stream.ts'
import { shardIdText } from '../wire/shard-id-text.ts'
import type { ShardLevelMetric } from '../wire/structures.ts'
import type { ShardReads, StreamCounts } from './stream-counters.ts'

/** One shard: the totals since the broker was opened, and the age, of the metrics that are told. */
export interface ShardFigures {
  readonly shardId: string
  readonly figures: ReadonlyMap<ShardLevelMetric, number>
}

/** What a metric is, of what has come into a shard and of what was read from it. */
const sources: Readonly<
  Record<ShardLevelMetric, (traffic?: ShardTraffic, reads?: ShardReads) => number | undefined>
> = {
  IncomingBytes: (traffic) => traffic?.bytes,
  IncomingRecords: (traffic) => traffic?.records,
  WriteProvisionedThroughputExceeded: (traffic) => traffic?.throttledRecords,
  OutgoingBytes: (_, reads) => reads?.bytes,
  OutgoingRecords: (_, reads) => reads?.records,
  ReadProvisionedThroughputExceeded: (_, reads) => reads?.throttled,
  IteratorAgeMilliseconds: (_, reads) => reads?.iteratorAgeMillis,
}

/** `traffic` has the open shards by their numbers; nothing is told of what never happened. */
export function shardFigures(
  stream: Stream,
  counts: StreamCounts,
  traffic: ReadonlyMap<bigint, ShardTraffic>,
): ShardFigures[] {
  const metrics = [...stream.shardLevelMetrics]
  if (metrics.length === 0) return []
  return Array.from(stream.shards.values(), ({ index, number }) => {
    const figures = new Map<ShardLevelMetric, number>()
    for (const metric of metrics) {
      const value = sources[metric](traffic.get(number), counts.shardReads.get(index))
      if (value !== undefined) figures.set(metric, value)
    }
    return { shardId: shardIdText(index), figures }
  })
}
