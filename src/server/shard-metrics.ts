/**
 * The metrics of the shards of streams for which they are told (EnableEnhancedMonitoring): each
 * stands for one of Kinesis. Labels are bounded: shards beyond the first 1000 are `other`.
 */

import type { ShardLevelMetric } from '../wire/structures.ts'
import { type Figures, labelOf, type Row, row, type Samples } from './metric-row.ts'

/** Shards, of all streams together, that have a label of their own. */
const shardLabelsMax = 1000

const millisPerSecond = 1000
const labels = ['stream', 'shard']

function perShard({ broker }: Figures, metric: ShardLevelMetric, unit = 1): Samples {
  const samples: Samples[number][] = []
  broker.streams.forEach(({ streamName, shards }, index) => {
    for (const { shardId, figures } of shards) {
      const value = figures.get(metric)
      if (value === undefined) continue
      const shard = samples.length < shardLabelsMax ? shardId : 'other'
      samples.push([value / unit, { stream: labelOf(streamName, index), shard }])
    }
  })
  return samples
}

/** Ages do not add up: those of shards without a label are left out. */
function agesOf(figures: Figures): Samples {
  return perShard(figures, 'IteratorAgeMilliseconds', millisPerSecond).slice(0, shardLabelsMax)
}

function counter(name: string, metric: ShardLevelMetric, help: string): Row {
  return row('counter', `shard_${name}_total`, help, (it) => perShard(it, metric), labels)
}

export const shardRows: readonly Row[] = [
  counter('append_bytes', 'IncomingBytes', 'Bytes of keys and data that a shard has taken in.'),
  counter('append_records', 'IncomingRecords', 'Records that a shard has taken in.'),
  counter(
    'append_throttled_records',
    'WriteProvisionedThroughputExceeded',
    'Records that were beyond the limits of a shard.',
  ),
  counter(
    'read_bytes',
    'OutgoingBytes',
    'Bytes of keys and data that GetRecords has read from a shard.',
  ),
  counter('read_records', 'OutgoingRecords', 'Records that GetRecords has read from a shard.'),
  counter(
    'read_throttled',
    'ReadProvisionedThroughputExceeded',
    'GetRecords requests that were beyond the limits of a shard.',
  ),
  row(
    'gauge',
    'shard_iterator_age_seconds',
    'How far the last GetRecords of a shard was behind its newest record.',
    agesOf,
    labels,
  ),
]
