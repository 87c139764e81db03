/** Waits until a stream is ACTIVE. */

import { setTimeout as sleep } from 'node:timers/promises'
import { MillraceError } from '../errors.ts'
import type { StreamStatus } from '../wire/operations.ts'

/** How often it is asked, and for how long at most. */
export interface Patience {
  readonly intervalMillis: number
  readonly millisMax: number
}

const patienceDefault: Patience = { intervalMillis: 10, millisMax: 30_000 }

interface Described {
  readonly streamStatus: StreamStatus
}

/**
 * Asks `describe` until the stream is ACTIVE, and answers what it said then. Rejects with
 * STREAM_IN_USE when that takes too long (30 s), and with the reason of `signal`.
 */
export async function whenActive<It extends Described>(
  describe: () => Promise<It>,
  signal: AbortSignal,
  { intervalMillis, millisMax }: Patience = patienceDefault,
): Promise<It> {
  const started = performance.now()
  for (;;) {
    const described = await describe()
    if (described.streamStatus === 'ACTIVE') return described
    if (performance.now() - started > millisMax) {
      throw new MillraceError('STREAM_IN_USE', `the stream is still ${described.streamStatus}`)
    }
    await sleep(intervalMillis)
    signal.throwIfAborted()
  }
}
