/**
 * Which metrics are told of the shards of a stream: told at once, and kept in the catalog. The
 * stream is UPDATING when a change is answered, and soon ACTIVE, as after any change of it.
 */

import { type ShardLevelMetric, shardLevelMetrics } from '../wire/structures.ts'
import type { StreamHost } from './stream-host.ts'

/** In the order of their names in the protocol. */
export interface MonitoringChange {
  readonly before: readonly ShardLevelMetric[]
  readonly after: readonly ShardLevelMetric[]
}

export class StreamMonitoring {
  readonly #host: StreamHost

  constructor(host: StreamHost) {
    this.#host = host
  }

  /**
   * Tells the metrics of a stream for which `decide` says so, given whether they are told now.
   * Rejects: STREAM_NOT_FOUND, STREAM_IN_USE (not ACTIVE), DISK_FULL, LOG_FAILED.
   */
  async change(
    streamName: string,
    decide: (metric: ShardLevelMetric, isTold: boolean) => boolean,
  ): Promise<MonitoringChange> {
    let change: MonitoringChange = { before: [], after: [] }
    let changed: number | undefined
    await this.#host.catalog.change(() => {
      const { number: streamNumber, shardLevelMetrics: told } = this.#host.requireActive(streamName)
      const before = shardLevelMetrics.filter((it) => told.has(it))
      const after = shardLevelMetrics.filter((it) => decide(it, told.has(it)))
      change = { before, after }
      if (before.length === after.length && before.every((it) => after.includes(it))) return []
      changed = streamNumber
      return [
        { kind: 'monitoringSet', streamNumber, shardLevelMetrics: after },
        { kind: 'statusSet', streamNumber, status: 'UPDATING' },
      ]
    })
    if (changed !== undefined) {
      this.#host.changed(changed)
      this.#host.startWork(changed)
    }
    return change
  }
}
