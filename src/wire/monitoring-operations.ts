/** Operations that say which metrics of the shards of a stream are told. */

import { list, word } from './fields.ts'
import { operation } from './operation.ts'
import { shardLevelMetrics, streamName } from './structures.ts'

/** What an operation is asked for: `ALL` stands for every one of them. */
export const monitoringWords = [...shardLevelMetrics, 'ALL'] as const
export type MonitoringWord = (typeof monitoringWords)[number]

const metricsMax = shardLevelMetrics.length

const request = {
  streamName,
  shardLevelMetrics: list(word(monitoringWords), { min: 1, max: metricsMax }),
}

/** Metrics of the shards of a stream. */
export const monitoredMetrics = list(word(shardLevelMetrics), { max: metricsMax })

const answer = {
  /** Before the call, and after it. */
  currentShardLevelMetrics: monitoredMetrics,
  desiredShardLevelMetrics: monitoredMetrics,
}

export const enableEnhancedMonitoring = operation(0x2b, 'EnableEnhancedMonitoring', request, answer)

export const disableEnhancedMonitoring = operation(
  0x2c,
  'DisableEnhancedMonitoring',
  request,
  answer,
)
