/** DescribeScaling: how hot the shards are, and what an ON_DEMAND stream would do now by itself. */

import type { Shard } from '../../shard/shard.ts'
import { loadOf, measuredMillis, ratesOf } from '../../stream/scaling/heat.ts'
import type { ScalingChange } from '../../stream/scaling/plan.ts'
import type { ScalingReport } from '../../stream/scaling/scaling.ts'
import type { ScalingSettings } from '../../stream/scaling/settings.ts'
import type { AnswerOf, describeScaling, RequestOf } from '../../wire/operations.ts'
import { shardIdText } from '../../wire/shard-id-text.ts'
import type { ShardHeat, ScalingChange as WireChange } from '../../wire/structures.ts'
import type { BrokerContext } from '../context.ts'

export async function handleDescribeScaling(
  { streams }: BrokerContext,
  { streamName }: RequestOf<typeof describeScaling>,
): Promise<AnswerOf<typeof describeScaling>> {
  const stream = streams.requireServing(streamName)
  const { settings } = streams.scaling
  const report = await streams.scaling.describe(stream)
  const { splits, merges, blocked, restMillis } = report.plan
  return {
    streamMode: stream.mode,
    isAutomatic: !settings.disabled,
    shardsMin: report.shardsMin,
    shardsMax: settings.shardsMax,
    splitPercent: settings.splitPercent,
    splitMillis: settings.splitMillis,
    mergePercent: settings.mergePercent,
    mergeMillis: settings.mergeMillis,
    shards: report.open.map((it) => heatOf(it, report, settings)),
    changes: [...splits, ...merges].map(describeChange),
    blocked: blocked.map(({ shard, blockReason, reason }) => {
      return { shardId: shardIdText(shard.index), blockReason, reason }
    }),
    restMillis: Math.ceil(restMillis),
  }
}

function heatOf(
  { index, number, startingHashKey, endingHashKey }: Shard,
  { history }: ScalingReport,
  settings: ScalingSettings,
): ShardHeat {
  const own = history.get(number) ?? []
  const rates = ratesOf(own, settings.splitMillis)
  return {
    shardId: shardIdText(index),
    startingHashKey,
    endingHashKey,
    recordsPerSecond: Math.round(rates.recordsPerSecond),
    bytesPerSecond: Math.round(rates.bytesPerSecond),
    loadPercent: Math.round(100 * loadOf(rates, settings)),
    measuredMillis: Math.round(Math.min(measuredMillis(own), settings.splitMillis)),
  }
}

function describeChange({ shards, replacement, reason }: ScalingChange): WireChange {
  const { startingHashKeys } = replacement
  return { shardIds: shards.map((it) => shardIdText(it.index)), startingHashKeys, reason }
}
