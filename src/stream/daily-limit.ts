/** Changes of a stream that can be made so often within 24 hours. Pure. */

import { MillraceError } from '../errors.ts'

const dayMillis = 24 * 3_600_000

export interface DailyLimit {
  readonly max: number
  /** What was done, and what follows from too much of it, as parts of the message. */
  readonly what: string
  readonly consequence: string
}

/**
 * The times of the changes within the last 24 hours, and one more of them, now. Throws a
 * MillraceError, LIMIT_EXCEEDED, when there were too many.
 */
export function oneMore(
  times: readonly number[],
  nowMillis: number,
  { max, what, consequence }: DailyLimit,
): readonly number[] {
  // One that lies in the future says that the clock was wrong, and no more.
  const recent = times.filter((it) => it <= nowMillis && nowMillis - it < dayMillis)
  // As many as are allowed lie behind it; there are more of them after a limit was lowered.
  const oldest = recent.at(-max)
  if (oldest !== undefined) {
    throw new MillraceError(
      'LIMIT_EXCEEDED',
      `${what} ${recent.length} times within 24 hours, which is the limit: ${consequence}.`,
      { retryAfterMs: oldest + dayMillis - nowMillis },
    )
  }
  return [...recent, nowMillis]
}
