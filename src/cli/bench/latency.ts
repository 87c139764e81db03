/** Times of a run, as a histogram with three digits. */

import { build, type Histogram } from 'hdr-histogram-js'

/** Larger ones count as this. */
const microsMax = 3_600_000_000

export interface Percentiles {
  readonly p50: number
  readonly p90: number
  readonly p99: number
  readonly 'p99.9': number
  readonly 'p99.99': number
  readonly max: number
  readonly count: number
  readonly unit: 'us'
}

function histogram(): Histogram {
  return build({
    lowestDiscernibleValue: 1,
    highestTrackableValue: microsMax,
    numberOfSignificantValueDigits: 3,
    useWebAssembly: false,
  })
}

export class Latency {
  readonly #all = histogram()
  /** Since the last look. */
  readonly #recent = histogram()

  record(millis: number): void {
    this.#recent.recordValue(Math.min(microsMax, Math.max(1, Math.round(millis * 1000))))
  }

  /** The 99th percentile in ms since this was asked last; undefined where nothing has come. */
  recentP99(): number | undefined {
    const { totalCount } = this.#recent
    const p99 = totalCount === 0 ? undefined : this.#recent.getValueAtPercentile(99) / 1000
    this.#all.add(this.#recent)
    this.#recent.reset()
    return p99
  }

  /** Of all that was recorded; undefined where nothing was. */
  percentiles(): Percentiles | undefined {
    this.recentP99()
    const { totalCount } = this.#all
    if (totalCount === 0) return undefined
    const max = this.#all.maxValue
    // A value stands for its neighbours, too; none of them came that is beyond the largest.
    const at = (percentile: number) => Math.min(max, this.#all.getValueAtPercentile(percentile))
    return {
      p50: at(50),
      p90: at(90),
      p99: at(99),
      'p99.9': at(99.9),
      'p99.99': at(99.99),
      max,
      count: totalCount,
      unit: 'us',
    }
  }
}
