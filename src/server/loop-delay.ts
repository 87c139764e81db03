/** How late the event loop is: whatever takes long on it makes everybody wait. */

import { type IntervalHistogram, monitorEventLoopDelay } from 'node:perf_hooks'

const resolutionMillis = 10
const nanosPerMilli = 1e6
const nanosPerSecond = 1e9
/** Calls of `lateMillis` after which quantiles begin anew. */
const callsOfQuantiles = 60
const percentiles = [
  ['0.5', 50],
  ['0.99', 99],
  ['0.999', 99.9],
  ['1', 100],
] as const

type Quantiles = [quantile: string, seconds: number][]

/** What is measured is the time between two looks at the clock. */
export class LoopDelay {
  /** Since the last call of `lateMillis`. */
  readonly #recent = startedMonitor()
  /** Since quantiles began anew, and what they were then. */
  readonly #long = startedMonitor()
  #before: Quantiles | undefined
  #calls = 0

  /**
   * Milliseconds, since the last call, of which each counts as much as it is long: a loop that was
   * blocked for three seconds and is quick for one was late for most of the time. The plain mean of
   * hundreds of looks would hardly show that.
   */
  lateMillis(): number {
    const { count, mean, stddev } = this.#recent
    // Nothing is measured while the loop is blocked, and a histogram without values has no mean.
    if (count === 0) return 0
    this.#recent.reset()
    this.#turn()
    return Math.max(0, (mean + stddev ** 2 / mean) / nanosPerMilli - resolutionMillis)
  }

  /** Seconds, by quantile: the worse of the last minute that is over, and of this one. */
  quantiles(): Quantiles {
    const now = quantilesOf(this.#long)
    return now.map(([quantile, at], index) => [
      quantile,
      Math.max(at, this.#before?.[index]?.[1] ?? 0),
    ])
  }

  close(): void {
    this.#recent.disable()
    this.#long.disable()
  }

  #turn(): void {
    this.#calls += 1
    if (this.#calls % callsOfQuantiles > 0) return
    this.#before = quantilesOf(this.#long)
    this.#long.reset()
  }
}

function startedMonitor(): IntervalHistogram {
  const monitor = monitorEventLoopDelay({ resolution: resolutionMillis })
  monitor.enable()
  return monitor
}

function quantilesOf(histogram: IntervalHistogram): Quantiles {
  return percentiles.map(([quantile, it]) => [quantile, secondsAt(histogram, it)])
}

function secondsAt(histogram: IntervalHistogram, percentile: number): number {
  const nanos = histogram.percentile(percentile) - resolutionMillis * nanosPerMilli
  return Math.max(0, nanos) / nanosPerSecond
}
