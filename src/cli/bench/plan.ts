/** What a run of `millrace bench` does: its options, checked, with what is not given filled in. */

import { getRecordsRecordsMax, recordBytesMaxDefault, shardCountMax } from '../../limits.ts'
import type { Durability } from '../../wire/verbs.ts'
import { CliError } from '../exit-codes.ts'
import { formatBytes, formatCount, formatMillis, parseAge, plural } from '../units.ts'

export const benchKinds = ['put', 'get', 'sub', 'e2e'] as const
export type BenchKind = (typeof benchKinds)[number]

export interface BenchPlan {
  readonly kind: BenchKind
  /** Records a second by a timetable; undefined: as fast as it goes. */
  readonly rate: number | undefined
  /** How long is measured, and how long the load has run by then. */
  readonly durationMillis: number
  readonly warmUpMillis: number
  /** Of what is put before it is read. */
  readonly records: number
  /** Records of one GetRecords at most. */
  readonly batch: number
  readonly recordBytes: number
  readonly keys: number
  readonly shards: number
  readonly subscribers: number
  readonly durability: Durability
  /** One that is there, or that is created and stays; else one of the run's own. */
  readonly stream: string | undefined
}

/** Of the id of the run and the number of the record, which each record begins with. */
export const recordBytesMin = 16
/** Less than the limit of a stream, which counts the key, too. */
export const recordBytesMax: number = recordBytesMaxDefault - 1024
export const keysMax = 100_000
export const subscribersMax = 1000
export const rateMax = 10_000_000
export { getRecordsRecordsMax as batchMax, shardCountMax as shardsMax }

const rates: Readonly<Record<BenchKind, number>> = {
  put: 10_000,
  get: 100_000,
  sub: 10_000,
  e2e: 1000,
}

/** What holds unless it is given, as it is typed. */
export const fallbacks = {
  duration: '10s',
  warmUp: '2s',
  records: 500_000,
  batch: 1000,
  recordBytes: 100,
  keys: 1000,
  shards: 4,
  subscribers: 10,
} as const

export function usualRate(kind: BenchKind): number {
  return rates[kind]
}

type Options = Readonly<Record<string, unknown>>

/** Throws a CliError, USAGE. */
export function planOf(kind: BenchKind, options: Options): BenchPlan {
  const count = (name: keyof typeof fallbacks) => (options[name] ?? fallbacks[name]) as number
  const rate = rateOf(kind, options['rate'] as string | undefined)
  return {
    kind,
    rate,
    durationMillis: millisOf('--duration', options['duration'] ?? fallbacks.duration, 1),
    warmUpMillis: millisOf('--warm-up', options['warmUp'] ?? fallbacks.warmUp, 0),
    records: count('records'),
    batch: count('batch'),
    recordBytes: count('recordBytes'),
    keys: count('keys'),
    shards: count('shards'),
    subscribers: kind === 'e2e' ? 1 : count('subscribers'),
    durability: (options['durability'] ?? 'disk') as Durability,
    stream: options['stream'] as string | undefined,
  }
}

function rateOf(kind: BenchKind, text: string | undefined): number | undefined {
  if (text === undefined) return rates[kind]
  if (text === 'max') {
    if (kind !== 'e2e') return undefined
    throw new CliError('USAGE', '--rate is "max", and at the highest rate a time is its queue', {
      hint: 'Measure the rate with: millrace bench put --rate max',
    })
  }
  const rate = Number(text)
  if (/^\d+$/.test(text) && rate >= 1 && rate <= rateMax) return rate
  const or = kind === 'e2e' ? '' : ', or max'
  throw new CliError('USAGE', `--rate is "${text}", wanted records a second, 1 to ${rateMax}${or}`)
}

function millisOf(name: string, text: unknown, min: number): number {
  const millis = parseAge(text as string)
  if (millis !== undefined && millis >= min) return millis
  throw new CliError('USAGE', `${name} is "${text}", wanted a time such as 500ms, 30s or 5m`)
}

/** The parameters by which two runs are told to be the same. */
export function paramsOf(plan: BenchPlan): Record<string, string | number> {
  const { kind, rate, recordBytes, keys, shards, durability } = plan
  const shared = { rate: rate ?? 'max', recordBytes, keys, shards, durability }
  const timed = { durationMillis: plan.durationMillis, warmUpMillis: plan.warmUpMillis }
  if (kind === 'get') return { ...shared, records: plan.records, batch: plan.batch }
  if (kind === 'sub') return { ...shared, ...timed, subscribers: plan.subscribers }
  return { ...shared, ...timed }
}

/** The load in words, a line each. */
export function loadLines(plan: BenchPlan): string[] {
  const { kind, rate, recordBytes, keys, shards, durability } = plan
  const what = kind === 'get' ? 'read' : 'put'
  const pace =
    rate === undefined
      ? `${what} as fast as it goes (closed loop)`
      : `${what} ${formatCount(rate)} records/s by a timetable (open loop)`
  const size = `${formatBytes(recordBytes)} of data, ${plural(keys, 'key')}`
  const time =
    kind === 'get'
      ? `${formatCount(plan.records)} records, up to ${formatCount(plan.batch)} a request`
      : `${formatMillis(plan.durationMillis)} after ${formatMillis(plan.warmUpMillis)} of warm-up`
  const readers = kind === 'sub' ? `, ${plural(plan.subscribers, 'subscriber')}` : ''
  return [
    `${pace}; ${size}`,
    `${plural(shards, 'shard')}, durability ${durability}${readers}; ${time}`,
  ]
}
