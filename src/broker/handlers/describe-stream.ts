/** DescribeStream and DescribeStreamSummary. */

import { describeStreamPageDefault } from '../../limits.ts'
import { describeShard, shardIndexOf } from '../../shard/shard.ts'
import { unexpiredShards } from '../../stream/shard-filter.ts'
import { openShards, type Stream, summarizeStream } from '../../stream/stream.ts'
import type {
  AnswerOf,
  describeStream,
  describeStreamSummary,
  RequestOf,
} from '../../wire/operations.ts'
import type { ShardLevelMetric } from '../../wire/structures.ts'
import type { BrokerContext } from '../context.ts'

function streamFields(stream: Stream) {
  const { retentionPeriodHours, recordBytesMax } = stream
  return { ...summarizeStream(stream), retentionPeriodHours, recordBytesMax }
}

/** Missing where none are told. */
function monitoredMetrics({ shardLevelMetrics }: Stream): ShardLevelMetric[] | undefined {
  return shardLevelMetrics.size === 0 ? undefined : [...shardLevelMetrics]
}

/** None where it is not encrypted. */
function encryptionFields({ encryption }: Stream) {
  return encryption === undefined ? {} : { encryptionType: 'KMS' as const, keyId: encryption.id }
}

export async function handleDescribeStream(
  { streams }: BrokerContext,
  request: RequestOf<typeof describeStream>,
): Promise<AnswerOf<typeof describeStream>> {
  const stream = streams.require(request.streamName)
  const start = request.exclusiveStartShardId
  const after = start === undefined ? -1 : shardIndexOf(start, stream.name)
  const limit = request.limit ?? describeStreamPageDefault
  const horizon = streams.retention.horizonOf(stream)
  const rest = unexpiredShards(stream, horizon).filter((it) => it.index > after)
  return {
    ...streamFields(stream),
    shards: rest.slice(0, limit).map(describeShard),
    hasMoreShards: rest.length > limit,
    retentionBytes: stream.retentionBytes,
    shardLevelMetrics: monitoredMetrics(stream),
    ...encryptionFields(stream),
  }
}

export async function handleDescribeStreamSummary(
  { streams }: BrokerContext,
  request: RequestOf<typeof describeStreamSummary>,
): Promise<AnswerOf<typeof describeStreamSummary>> {
  const stream = streams.require(request.streamName)
  return {
    ...streamFields(stream),
    openShardCount: openShards(stream).length,
    retentionBytes: stream.retentionBytes,
    shardLevelMetrics: monitoredMetrics(stream),
    ...encryptionFields(stream),
  }
}
