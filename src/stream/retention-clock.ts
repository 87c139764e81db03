/**
 * Time as retention counts it. The clock of the machine may step, in either direction, and records
 * are stamped with it; a record must not go early for that. So the retention clock goes on only
 * while the broker runs, with a clock that never steps, and remembers what the clock of the machine
 * showed beside it. CATALOG.md has the rule. Pure.
 */

import { retentionHoursHighest } from '../limits.ts'
import { clockSpansMax } from './catalog-records.ts'

export const millisPerHour = 3_600_000

/**
 * From `runMillis` of the retention clock up to the next span the clock of the machine showed
 * `wallMillis` and went on from there, or showed more.
 */
export interface ClockSpan {
  readonly runMillis: number
  readonly wallMillis: number
}

/** What is kept of the retention clock. */
export interface RetentionTime {
  /** How far it has come. */
  readonly runMillis: number
  /** Ascending; at least one. */
  readonly spans: readonly ClockSpan[]
}

/** ... with what it takes to go on with it in another process. */
export interface StoredTime extends RetentionTime {
  /** Names the run of the machine in which it was written down, where that has a name. */
  readonly bootId?: string | undefined
  /** What the clock showed then that never steps. */
  readonly steadyMillis: number
}

/** Between two looks at the clocks, and while they are read one after the other. */
const marginMillis = 1000
/** By so much a clock may fall behind its span before that is written down. */
const tremblingMillisMax = 100
/** A clock that is ahead of its span by more than this begins another one. */
const aheadMillisMax = 60_000

/**
 * The time at which a directory is opened: it goes on where it was left, or begins. While the
 * machine has been running since then it is known how long that is; how long one was switched off
 * is not, and does not count.
 */
export function resumeTime(
  stored: StoredTime | undefined,
  bootId: string | undefined,
  steadyMillis: number,
  wallMillis: number,
): RetentionTime {
  if (stored === undefined) {
    return { runMillis: wallMillis, spans: [{ runMillis: wallMillis, wallMillis }] }
  }
  const isSameRun = bootId !== undefined && bootId === stored.bootId
  return advance(stored, isSameRun ? steadyMillis - stored.steadyMillis : 0, wallMillis)
}

/** `elapsedMillis` later the clock of the machine shows `wallMillis`. */
export function advance(
  time: RetentionTime,
  elapsedMillis: number,
  wallMillis: number,
): RetentionTime {
  const runMillis = time.runMillis + Math.max(0, Math.floor(elapsedMillis))
  const last = time.spans.at(-1) as ClockSpan
  const ahead = wallMillis - wallOf(last, runMillis)
  if (ahead >= 0 && ahead <= aheadMillisMax) return { runMillis, spans: time.spans }
  const isLittle = ahead < 0 && ahead >= -marginMillis
  const spans = isLittle
    ? [...time.spans.slice(0, -1), { ...last, wallMillis: Math.max(0, last.wallMillis + ahead) }]
    : [...time.spans, { runMillis, wallMillis }]
  return { runMillis, spans: trimSpans(spans, runMillis) }
}

/**
 * The arrival time below which all records are older than the retention period: the lowest that
 * the clock of the machine has shown within it, as whatever arrived since then has no lower one. 0
 * while the clock has not seen as much time.
 */
export function horizonOf({ runMillis, spans }: RetentionTime, retentionMillis: number): number {
  const from = runMillis - retentionMillis
  if (from < (spans[0] as ClockSpan).runMillis) return 0
  let lowest = Number.POSITIVE_INFINITY
  spans.forEach((span, at) => {
    const end = spans[at + 1]?.runMillis ?? Number.POSITIVE_INFINITY
    if (end >= from) lowest = Math.min(lowest, wallOf(span, Math.max(from, span.runMillis)))
  })
  return Math.max(0, Math.floor(lowest) - marginMillis)
}

/**
 * Whether the clock of the machine has shown lower times than those that were written down would
 * say, or went on elsewhere: if that were lost, what arrived since then could go early.
 */
export function hasStepped(time: RetentionTime, stored: RetentionTime | undefined): boolean {
  const last = time.spans.at(-1)
  const known = stored?.spans.at(-1)
  if (last === undefined || known === undefined) return last !== known
  // Two can begin at the same time: after a restart the retention clock is where it was left.
  const isOther = last.runMillis !== known.runMillis || last.wallMillis > known.wallMillis
  return isOther || last.wallMillis < known.wallMillis - tremblingMillisMax
}

function wallOf(span: ClockSpan, runMillis: number): number {
  return span.wallMillis + runMillis - span.runMillis
}

/** Drops what no retention period reaches back to; too many are told apart no more. */
function trimSpans(spans: ClockSpan[], runMillis: number): readonly ClockSpan[] {
  const oldest = runMillis - retentionHoursHighest * millisPerHour
  while (spans.length > 1 && (spans[1] as ClockSpan).runMillis <= oldest) spans.shift()
  while (spans.length > clockSpansMax) {
    const [first, second] = spans.splice(0, 2) as [ClockSpan, ClockSpan]
    const wallMillis = Math.min(first.wallMillis, wallOf(second, first.runMillis))
    // There is no time before 1970: what would begin there begins later, at 1970.
    const runMillis = first.runMillis + Math.max(0, -wallMillis)
    spans.unshift({ runMillis, wallMillis: Math.max(0, wallMillis) })
  }
  return spans
}
