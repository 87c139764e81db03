/**
 * How much came into a shard, over time: exact for the window in which splits are decided, coarse
 * and at its highest for the longer one of merges, so that there are few samples. Pure.
 */

import type { ScalingSettings, ShardCapacity } from './settings.ts'

export interface Rates {
  readonly recordsPerSecond: number
  readonly bytesPerSecond: number
}

/** Of a stretch of time, on a clock that never goes back. */
export interface HeatSample extends Rates {
  readonly fromMillis: number
  readonly toMillis: number
}

/** Of one shard, oldest first; each sample begins where the one before it ends. */
export type HeatHistory = readonly HeatSample[]

type Windows = Pick<ScalingSettings, 'splitMillis' | 'mergeMillis'>

/** Coarse samples of the window of merges. */
const coarseSamples = 8

/** A shard that rests needs no second sample. */
function isSameRest(a: HeatSample | undefined, b: HeatSample): a is HeatSample {
  return a !== undefined && isRest(a) && isRest(b)
}

function isRest({ recordsPerSecond, bytesPerSecond }: Rates): boolean {
  return recordsPerSecond === 0 && bytesPerSecond === 0
}

/** The history with one more sample, and without what neither window needs any more. */
export function withSample(
  history: HeatHistory,
  sample: HeatSample,
  windows: Windows,
): HeatHistory {
  const last = history.at(-1)
  if (isSameRest(last, sample)) {
    return [...history.slice(0, -1), { ...last, toMillis: sample.toMillis }]
  }
  const now = sample.toMillis
  const coarseMillis = windows.mergeMillis / coarseSamples
  const kept: HeatSample[] = []
  for (const it of [...history, sample]) {
    if (it.toMillis <= now - windows.mergeMillis) continue
    const before = kept.at(-1)
    const isOld = it.toMillis <= now - windows.splitMillis
    if (before !== undefined && isOld && it.toMillis - before.fromMillis <= coarseMillis) {
      kept[kept.length - 1] = highest(before, it)
    } else {
      kept.push(it)
    }
  }
  return kept
}

function highest(a: HeatSample, b: HeatSample): HeatSample {
  return {
    fromMillis: a.fromMillis,
    toMillis: b.toMillis,
    recordsPerSecond: Math.max(a.recordsPerSecond, b.recordsPerSecond),
    bytesPerSecond: Math.max(a.bytesPerSecond, b.bytesPerSecond),
  }
}

/** Whether nothing has come lately, or nothing is known. */
export function isAtRest(history: HeatHistory): boolean {
  const last = history.at(-1)
  return last === undefined || isRest(last)
}

/** For how long a shard has been measured. */
export function measuredMillis(history: HeatHistory): number {
  const first = history[0]
  const last = history.at(-1)
  return first === undefined || last === undefined ? 0 : last.toMillis - first.fromMillis
}

/** The mean between two times; undefined where that was not measured all along. */
export function meanRates(
  history: HeatHistory,
  fromMillis: number,
  toMillis: number,
): Rates | undefined {
  const first = history[0]
  if (first === undefined || first.fromMillis > fromMillis) return undefined
  let millis = 0
  let records = 0
  let bytes = 0
  for (const it of history) {
    const overlap = Math.min(it.toMillis, toMillis) - Math.max(it.fromMillis, fromMillis)
    if (overlap <= 0) continue
    millis += overlap
    records += overlap * it.recordsPerSecond
    bytes += overlap * it.bytesPerSecond
  }
  if (millis === 0) return undefined
  return { recordsPerSecond: records / millis, bytesPerSecond: bytes / millis }
}

/** What there is of the window of splits: to be shown, also where it is not whole yet. */
export function ratesOf(history: HeatHistory, splitMillis: number): Rates {
  const end = history.at(-1)?.toMillis ?? 0
  const start = Math.max(end - splitMillis, history[0]?.fromMillis ?? 0)
  return meanRates(history, start, end) ?? { recordsPerSecond: 0, bytesPerSecond: 0 }
}

/** As a share of what a shard carries. */
export function loadOf(rates: Rates, capacity: ShardCapacity): number {
  return Math.max(
    rates.recordsPerSecond / capacity.shardRecordsPerSecond,
    rates.bytesPerSecond / capacity.shardBytesPerSecond,
  )
}

/** The highest load since a time. */
export function peakLoad(
  history: HeatHistory,
  fromMillis: number,
  capacity: ShardCapacity,
): number {
  let peak = 0
  for (const it of history) {
    if (it.toMillis > fromMillis) peak = Math.max(peak, loadOf(it, capacity))
  }
  return peak
}

/** Whether a shard has been measured all along since a time. */
export function isMeasuredSince(history: HeatHistory, fromMillis: number): boolean {
  const first = history[0]
  return first !== undefined && first.fromMillis <= fromMillis
}
