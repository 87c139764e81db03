/** A histogram that is counted elsewhere, as a metric of Prometheus. */

import type { Metric } from 'prom-client'

export interface HistogramWords {
  readonly name: string
  readonly help: string
  /** The upper bounds of the buckets, ascending. */
  readonly bounds: readonly number[]
}

/** How many values there were in each bucket, one more than there are bounds, and their sum. */
export interface CountedValues {
  readonly labels: Readonly<Record<string, string>>
  readonly counts: readonly number[]
  readonly sum: number
}

/** For `registerMetric` of a registry, which asks it whenever somebody asks the registry. */
export function countedHistogram(
  { name, help, bounds }: HistogramWords,
  read: () => readonly CountedValues[],
): Metric {
  const get = async () => {
    const values = read().flatMap((it) => samplesOf(name, bounds, it))
    return { name, help, type: 'histogram', aggregator: 'sum', values }
  }
  // All that a registry knows of a metric is its name and what it gets.
  return { name, get } as unknown as Metric
}

function samplesOf(
  name: string,
  bounds: readonly number[],
  { labels, counts, sum }: CountedValues,
) {
  let count = 0
  const buckets = counts.map((it, index) => {
    count += it
    const le = `${bounds[index] ?? '+Inf'}`
    return { metricName: `${name}_bucket`, labels: { ...labels, le }, value: count }
  })
  return [
    ...buckets,
    { metricName: `${name}_sum`, labels, value: sum },
    { metricName: `${name}_count`, labels, value: count },
  ]
}
