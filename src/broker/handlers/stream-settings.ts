/** The operations that set something of a stream, and DescribeLimits. */

import { shardsOfDirectoryMax } from '../../limits.ts'
import { openShards } from '../../stream/stream.ts'
import type { AnswerOf, RequestOf } from '../../wire/operations.ts'
import type {
  decreaseStreamRetentionPeriod,
  describeLimits,
  increaseStreamRetentionPeriod,
  updateMaxRecordSize,
  updateStreamMode,
  updateStreamRetentionBytes,
} from '../../wire/setting-operations.ts'
import { type Caller, noRights } from '../caller.ts'
import type { BrokerContext } from '../context.ts'

export async function handleIncreaseRetention(
  { streams }: BrokerContext,
  { streamName, retentionPeriodHours }: RequestOf<typeof increaseStreamRetentionPeriod>,
): Promise<AnswerOf<typeof increaseStreamRetentionPeriod>> {
  await streams.settings.increaseRetention(streamName, retentionPeriodHours)
  return {}
}

export async function handleDecreaseRetention(
  { streams }: BrokerContext,
  { streamName, retentionPeriodHours }: RequestOf<typeof decreaseStreamRetentionPeriod>,
): Promise<AnswerOf<typeof decreaseStreamRetentionPeriod>> {
  await streams.settings.decreaseRetention(streamName, retentionPeriodHours)
  return {}
}

export async function handleRetentionBytes(
  { streams }: BrokerContext,
  { streamName, retentionBytes }: RequestOf<typeof updateStreamRetentionBytes>,
): Promise<AnswerOf<typeof updateStreamRetentionBytes>> {
  await streams.settings.setRetentionBytes(streamName, retentionBytes)
  return {}
}

export async function handleMaxRecordSize(
  { streams }: BrokerContext,
  { streamName, recordBytesMax }: RequestOf<typeof updateMaxRecordSize>,
): Promise<AnswerOf<typeof updateMaxRecordSize>> {
  await streams.settings.setRecordBytesMax(streamName, recordBytesMax)
  return {}
}

export async function handleStreamMode(
  { streams }: BrokerContext,
  { streamName, streamMode }: RequestOf<typeof updateStreamMode>,
): Promise<AnswerOf<typeof updateStreamMode>> {
  await streams.settings.setMode(streamName, streamMode)
  return {}
}

/** Counts what the caller may know of: those of others are nobody's business. */
export async function handleDescribeLimits(
  { streams }: BrokerContext,
  _request: RequestOf<typeof describeLimits>,
  caller: Caller,
): Promise<AnswerOf<typeof describeLimits>> {
  let openShardCount = 0
  let onDemandStreamCount = 0
  for (const stream of streams.all) {
    if (caller.rightsOn(stream.name) === noRights) continue
    openShardCount += openShards(stream).length
    if (stream.mode === 'ON_DEMAND') onDemandStreamCount += 1
  }
  // Each stream has a shard at least, and there is no other bound for streams.
  const limits = {
    shardLimit: shardsOfDirectoryMax,
    onDemandStreamCountLimit: shardsOfDirectoryMax,
  }
  return { ...limits, openShardCount, onDemandStreamCount }
}
