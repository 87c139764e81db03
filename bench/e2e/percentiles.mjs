// The percentiles that ws_latency reports of one turn, and their medians over several.
import { Series } from '../micro/harness.mjs'

/** By the names that rows have for them, what the report calls them. */
export const reportedAs = {
  p50: 'p50Micros',
  p90: 'p90Micros',
  p99: 'p99Micros',
  'p99.9': 'p999Micros',
  'p99.99': 'p9999Micros',
  max: 'maxMicros',
}

export class Percentiles {
  series = Object.fromEntries(Object.keys(reportedAs).map((at) => [at, new Series()]))

  add(report) {
    for (const [at, name] of Object.entries(reportedAs)) this.series[at].add(report[name])
  }

  /** What stands beside a row, as JSON. */
  get fields() {
    const medians = Object.entries(this.series).map(([at, series]) => [at, series.median])
    return { unit: 'us', ...Object.fromEntries(medians) }
  }
}
