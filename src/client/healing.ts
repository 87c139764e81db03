/** Repeats what failed for the time being. */

import { MillraceError } from '../errors.ts'
import { backoffMillis } from './backoff.ts'
import type { Clock } from './clock.ts'
import { ConnectionEndedError } from './connection-ended-error.ts'
import { sleep } from './sleep.ts'

/** A broker that answers with an error of its own is given so long to recover. */
const troubleMillisMax = 60_000

/**
 * Calls `action` until it works, with growing pauses. Rejects with the first error that waiting
 * does not heal, and with the reason of `signal`.
 */
export async function healing<Answer>(
  clock: Clock,
  signal: AbortSignal,
  action: () => Promise<Answer>,
): Promise<Answer> {
  const start = clock.now()
  for (let attempt = 0; ; attempt += 1) {
    try {
      signal.throwIfAborted()
      return await action()
    } catch (error) {
      signal.throwIfAborted()
      if (!heals(error, clock.now() - start)) throw error
      const { retryAfterMs } = error as MillraceError
      await sleep(clock, backoffMillis(attempt, clock.random(), retryAfterMs), signal)
    }
  }
}

/** Whether waiting may heal what has failed for so long. */
export function heals(error: unknown, troubleMillis: number): boolean {
  if (!(error instanceof MillraceError)) return false
  // A connection comes back for ever, unless that is not wanted. A broker in this process that
  // closes does not.
  if (error instanceof ConnectionEndedError || error.code === 'SERVER_CLOSING') return false
  const isTrouble = error.code === 'LOG_FAILED' || error.code === 'INTERNAL'
  return error.retryable && (!isTrouble || troubleMillis < troubleMillisMax)
}
