/** The result of a run, for programs and in lines for people. */

import { formatBytes, formatCount, formatMillis, plural } from '../units.ts'
import type { BenchFigures } from './bench-run.ts'
import type { Percentiles } from './latency.ts'
import type { MachineFacts } from './machine-facts.ts'
import { type BenchKind, type BenchPlan, paramsOf } from './plan.ts'

/** One run: what `--json` prints and `--compare` reads. */
export interface BenchRow {
  readonly id: string
  readonly name: string
  /** ISO 8601. */
  readonly at: string
  readonly params: Readonly<Record<string, string | number>>
  /** Records a second by the clock: of `sub` those of all subscribers together. */
  readonly value: number
  readonly unit: 'records/s'
  readonly peers: readonly never[]
  /** Of the part that was measured; `broker` is missing where it does not tell. */
  readonly cpuSeconds: { readonly broker?: number; readonly generator: number }
  readonly recordsPerBrokerCpuSecond?: number
  readonly percentiles?: Readonly<Record<string, Percentiles>>
  readonly lateShare?: number
  readonly putRecords: number
  readonly refusedRecords: number
  /** Every acknowledged record came once, unaltered, in the order of its key. */
  readonly verified: true
  readonly machine: MachineFacts
}

const names: Readonly<Record<BenchKind, string>> = {
  put: 'records put',
  get: 'records read with GetRecords',
  sub: 'records pushed to subscribers',
  e2e: 'records put one by one and pushed',
}

/** Of a run that was verified. */
export function rowOf(plan: BenchPlan, figures: BenchFigures, machine: MachineFacts): BenchRow {
  const { measured, percentiles, lateShare, put, refused } = figures
  const { broker, generator } = measured.cpuSeconds
  return {
    id: `bench-${plan.kind}`,
    name: names[plan.kind],
    at: new Date().toISOString(),
    params: paramsOf(plan),
    value: measured.records / measured.seconds,
    unit: 'records/s',
    peers: [],
    cpuSeconds: broker === undefined ? { generator } : { broker, generator },
    ...(broker === undefined || broker <= 0
      ? {}
      : { recordsPerBrokerCpuSecond: measured.records / broker }),
    ...(Object.keys(percentiles).length === 0 ? {} : { percentiles }),
    ...(lateShare === undefined ? {} : { lateShare }),
    putRecords: put,
    refusedRecords: refused,
    verified: true,
    machine,
  }
}

/** From so much on the load was not the one that was asked for. */
const lateShareMax = 0.01

const verifiedText = 'nothing lost, repeated, out of order or altered'

export function rowLines(row: BenchRow): string[] {
  const { value, params, percentiles = {}, lateShare } = row
  const bytes = formatBytes(value * Number(params['recordBytes']))
  return [
    `rate      ${formatCount(Math.round(value))} records/s, ${bytes}/s: ${row.name}`,
    ...Object.entries(percentiles).map(([name, it]) => `latency   ${name}: ${percentileText(it)}`),
    ...(lateShare === undefined ? [] : [lateText(lateShare)]),
    cpuText(row),
    `verified  ${plural(row.putRecords, 'record')}: ${verifiedText}`,
  ]
}

function percentileText(percentiles: Percentiles): string {
  const shown = (['p50', 'p90', 'p99', 'p99.9', 'p99.99', 'max'] as const).map(
    (name) => `${name} ${formatMillis(percentiles[name] / 1000)}`,
  )
  return shown.join(', ')
}

function lateText(lateShare: number): string {
  const text = `late      ${(100 * lateShare).toFixed(1)} % left more than 1 ms after their time`
  return lateShare > lateShareMax
    ? `${text}, which counts: the generator or the broker was at its limit`
    : text
}

function cpuText({ cpuSeconds, recordsPerBrokerCpuSecond: perSecond }: BenchRow): string {
  const { broker, generator } = cpuSeconds
  const own = `this generator ${generator.toFixed(2)} s`
  if (broker === undefined) return `cpu       of the broker unknown (no /metrics), ${own}`
  const rate = perSecond === undefined ? '-' : formatCount(Math.round(perSecond))
  return `cpu       broker ${broker.toFixed(2)} s, ${rate} records per CPU second; ${own}`
}
