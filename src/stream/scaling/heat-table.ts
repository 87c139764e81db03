/**
 * What comes into every shard, measured at each look. A shard that rests costs a comparison of two
 * numbers.
 */

import type { ShardId, ShardTraffic } from '../../log/log.ts'
import { type HeatHistory, isAtRest, withSample } from './heat.ts'
import type { ScalingSettings } from './settings.ts'

interface Measured {
  /** Up to when its history goes; of one that rests, before the last look. */
  atMillis: number
  records: number
  bytes: number
  history: HeatHistory
}

const millisPerSecond = 1000
/** Samples of the window of splits, at most: whoever asks for them often gets no more of them. */
const samplesPerSplitWindow = 60

export class HeatTable {
  readonly #settings: ScalingSettings
  readonly #shards = new Map<ShardId, Measured>()
  #lookedMillis = Number.NEGATIVE_INFINITY

  constructor(settings: ScalingSettings) {
    this.#settings = settings
  }

  /**
   * `traffic` is all that there is: what is not in it is forgotten. A look that comes soon after
   * another one is left out; what came in between is in the next one.
   */
  look(traffic: readonly ShardTraffic[], nowMillis: number): void {
    if (nowMillis - this.#lookedMillis < this.#settings.splitMillis / samplesPerSplitWindow) return
    for (const it of traffic) {
      const measured = this.#shards.get(it.shard)
      if (measured !== undefined && measured.bytes <= it.bytes && measured.records <= it.records) {
        this.#measure(measured, it, nowMillis)
      } else {
        const { records, bytes } = it
        this.#shards.set(it.shard, { atMillis: nowMillis, records, bytes, history: [] })
      }
    }
    this.#lookedMillis = nowMillis
    if (this.#shards.size > traffic.length) this.#forgetOthers(traffic)
  }

  historyOf(shard: ShardId): HeatHistory {
    const measured = this.#shards.get(shard)
    return measured === undefined ? [] : this.#withRest(measured)
  }

  /** Whether nothing has come lately, or nothing is known. */
  isAtRest(shard: ShardId): boolean {
    return isAtRest(this.#shards.get(shard)?.history ?? [])
  }

  /** What was left out while a shard rested: nothing has come until the last look. */
  #withRest({ atMillis, history }: Measured): HeatHistory {
    if (atMillis >= this.#lookedMillis) return history
    const span = { fromMillis: atMillis, toMillis: this.#lookedMillis }
    return withSample(history, { ...span, recordsPerSecond: 0, bytesPerSecond: 0 }, this.#settings)
  }

  #measure(measured: Measured, { records, bytes }: ShardTraffic, nowMillis: number): void {
    const hasRested = measured.history.length > 0 && isAtRest(measured.history)
    if (hasRested) {
      if (records === measured.records && bytes === measured.bytes) return
      measured.history = this.#withRest(measured)
      measured.atMillis = Math.max(measured.atMillis, this.#lookedMillis)
    }
    const seconds = (nowMillis - measured.atMillis) / millisPerSecond
    if (seconds <= 0) return
    const sample = {
      fromMillis: measured.atMillis,
      toMillis: nowMillis,
      recordsPerSecond: (records - measured.records) / seconds,
      bytesPerSecond: (bytes - measured.bytes) / seconds,
    }
    measured.history = withSample(measured.history, sample, this.#settings)
    measured.atMillis = nowMillis
    measured.records = records
    measured.bytes = bytes
  }

  #forgetOthers(traffic: readonly ShardTraffic[]): void {
    const present = new Set(traffic.map((it) => it.shard))
    for (const shard of this.#shards.keys()) if (!present.has(shard)) this.#shards.delete(shard)
  }
}
