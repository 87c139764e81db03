/**
 * Which metrics of the shards of a stream are told, as users call it: a part of the verbs, and
 * verbs.ts says what they have in common.
 */

import { ConsumerVerbs } from './consumer-verbs.ts'
import type { CallOptions, Exchange } from './exchange.ts'
import {
  disableEnhancedMonitoring,
  enableEnhancedMonitoring,
  type MonitoringWord,
} from './monitoring-operations.ts'
import type { AnswerOf } from './operation.ts'

/** The metrics that were told before a call, and those that are told after it. */
export type MonitoringChange = AnswerOf<typeof enableEnhancedMonitoring>

export class MonitoringVerbs extends ConsumerVerbs {
  readonly #exchange: Exchange

  constructor(exchange: Exchange) {
    super(exchange)
    this.#exchange = exchange
  }

  /**
   * Has `/metrics` of the broker tell these of each shard of a stream, besides those that it tells
   * already; `ALL` stands for every one. It does so when this answers; the stream is UPDATING then,
   * and soon ACTIVE. Rejects: STREAM_NOT_FOUND, STREAM_IN_USE (not ACTIVE), DISK_FULL, LOG_FAILED.
   */
  enableEnhancedMonitoring(
    streamName: string,
    shardLevelMetrics: readonly MonitoringWord[],
    options: CallOptions = {},
  ): Promise<MonitoringChange> {
    return this.#exchange.call(
      enableEnhancedMonitoring,
      { streamName, shardLevelMetrics },
      { ...options, repeatable: false },
    )
  }

  /** Has `/metrics` tell these no more. Otherwise as `enableEnhancedMonitoring`. */
  disableEnhancedMonitoring(
    streamName: string,
    shardLevelMetrics: readonly MonitoringWord[],
    options: CallOptions = {},
  ): Promise<MonitoringChange> {
    return this.#exchange.call(
      disableEnhancedMonitoring,
      { streamName, shardLevelMetrics },
      { ...options, repeatable: false },
    )
  }
}
