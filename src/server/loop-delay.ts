/** How late the event loop is: whatever takes long on it makes everybody wait. */

import { type IntervalHistogram, monitorEventLoopDelay } from 'node:perf_hooks'

const resolutionMillis = 10
const nanosPerMilli = 1e6
const nanosPerSecond = 1e9
const percentiles = [
  ['0.5', 50],
  ['0.99', 99],
  ['0.999', 99.9],
  ['1', 100],
] as const

export class LoopDelay {
  readonly #histogram: IntervalHistogram
  #seen = { count: 0, sum: 0 }

  constructor() {
    this.#histogram = monitorEventLoopDelay({ resolution: resolutionMillis })
    this.#histogram.enable()
  }

  /** Milliseconds, on average since the last call. */
  meanMillis(): number {
    const { count, mean } = this.#histogram
    // A histogram without values has no mean.
    const sum = count === 0 ? 0 : mean * count
    const since = count - this.#seen.count
    const average = since === 0 ? 0 : (sum - this.#seen.sum) / since
    this.#seen = { count, sum }
    return Math.max(0, average / nanosPerMilli - resolutionMillis)
  }

  /** Seconds since the start, by quantile. */
  quantiles(): [quantile: string, seconds: number][] {
    return percentiles.map(([quantile, it]) => [quantile, this.#secondsAt(it)])
  }

  close(): void {
    this.#histogram.disable()
  }

  /** What is measured is the time between two looks. */
  #secondsAt(percentile: number): number {
    const nanos = this.#histogram.percentile(percentile) - resolutionMillis * nanosPerMilli
    return Math.max(0, nanos) / nanosPerSecond
  }
}
