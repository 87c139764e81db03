/** Sends at fixed times, whatever comes back: an open loop. */

import { setTimeout as sleep, setImmediate as turn } from 'node:timers/promises'

export interface Timetable {
  /** In ms of performance.now(). */
  readonly startMillis: number
  readonly perSecond: number
  readonly count: number
}

/** When number `number` is due, in ms of performance.now(). */
export function dueMillis({ startMillis, perSecond }: Timetable, number: number): number {
  return startMillis + (number * 1000) / perSecond
}

/** How many are due at a time. */
export function dueCount(timetable: Timetable, nowMillis: number): number {
  const { startMillis, perSecond, count } = timetable
  if (nowMillis < startMillis) return 0
  return Math.min(count, Math.floor(((nowMillis - startMillis) * perSecond) / 1000) + 1)
}

/** So many at once at most: answers have to be heard, too. */
const turnMax = 500
/** Timers come up to so much late; what is due sooner is waited for turn by turn. */
const timerMillis = 2
/** A load that takes so many times as long as it should is ended. */
const patience = 2
const patienceMillisMin = 5000

export interface TimetableRun {
  readonly send: (number: number) => void
  /** Whether more may be on its way; where not, it is sent late, and the clock runs. */
  readonly hasRoom: () => boolean
  readonly signal: AbortSignal
}

/**
 * Sends all of them, and answers how many that were: fewer where it took more than twice as long as
 * it should. Rejects with the signal's reason.
 */
export async function keepTimetable(
  timetable: Timetable,
  { send, hasRoom, signal }: TimetableRun,
): Promise<number> {
  const { startMillis, count } = timetable
  const plannedMillis = dueMillis(timetable, count) - startMillis
  const endMillis = startMillis + Math.max(patience * plannedMillis, patienceMillisMin)
  let sent = 0
  while (sent < count) {
    const now = performance.now()
    if (now > endMillis) break
    const until = Math.min(dueCount(timetable, now), sent + turnMax)
    for (; sent < until && hasRoom(); sent += 1) send(sent)
    const wait = dueMillis(timetable, sent) - performance.now()
    await (wait > timerMillis ? sleep(wait - timerMillis) : turn())
    signal.throwIfAborted()
  }
  return sent
}
