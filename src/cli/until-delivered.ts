/** Waits until consumers have been given all that they have to be given. */

import { setTimeout as sleep } from 'node:timers/promises'

const silenceMillisMax = 10_000
const intervalMillis = 20
const graceMillis = 300

export interface Deliveries {
  /** How many records have come, of all consumers together. */
  readonly delivered: () => number
  /** How many have to come. */
  readonly expected: number
  readonly signal: AbortSignal
}

/**
 * Answers when all have come, or nothing has come for 10 s; what is doubled then has time to show
 * itself. Rejects with the signal's reason.
 */
export async function untilDelivered({ delivered, expected, signal }: Deliveries): Promise<void> {
  let before = -1
  let since = performance.now()
  for (;;) {
    const now = delivered()
    if (now >= expected) break
    if (now !== before) since = performance.now()
    else if (performance.now() - since > silenceMillisMax) return
    before = now
    await sleep(intervalMillis)
    signal.throwIfAborted()
  }
  await sleep(graceMillis)
}
