/** EnableEnhancedMonitoring and DisableEnhancedMonitoring. */

import type { MonitoringChange } from '../../stream/stream-monitoring.ts'
import type {
  disableEnhancedMonitoring,
  enableEnhancedMonitoring,
  MonitoringWord,
} from '../../wire/monitoring-operations.ts'
import type { AnswerOf, RequestOf } from '../../wire/operations.ts'
import type { ShardLevelMetric } from '../../wire/structures.ts'
import type { BrokerContext } from '../context.ts'

export async function handleEnableMonitoring(
  { streams }: BrokerContext,
  { streamName, shardLevelMetrics }: RequestOf<typeof enableEnhancedMonitoring>,
): Promise<AnswerOf<typeof enableEnhancedMonitoring>> {
  const isNamed = namedBy(shardLevelMetrics)
  return answerOf(
    await streams.monitoring.change(streamName, (metric, isTold) => isTold || isNamed(metric)),
  )
}

export async function handleDisableMonitoring(
  { streams }: BrokerContext,
  { streamName, shardLevelMetrics }: RequestOf<typeof disableEnhancedMonitoring>,
): Promise<AnswerOf<typeof disableEnhancedMonitoring>> {
  const isNamed = namedBy(shardLevelMetrics)
  return answerOf(
    await streams.monitoring.change(streamName, (metric, isTold) => isTold && !isNamed(metric)),
  )
}

function namedBy(words: readonly MonitoringWord[]): (metric: ShardLevelMetric) => boolean {
  return (metric) => words.includes('ALL') || words.includes(metric)
}

function answerOf({ before, after }: MonitoringChange): AnswerOf<typeof enableEnhancedMonitoring> {
  return { currentShardLevelMetrics: before, desiredShardLevelMetrics: after }
}
