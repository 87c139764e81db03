/** Waiting on a clock. */

import type { Clock } from './clock.ts'

/** Answers after `millis`; rejects with the reason of `signal`. It keeps the process alive. */
export function sleep(clock: Clock, millis: number, signal?: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    signal?.throwIfAborted()
    const aborted = () => {
      timer.cancel()
      reject(signal?.reason)
    }
    const timer = clock.after(millis, () => {
      signal?.removeEventListener('abort', aborted)
      resolve()
    })
    timer.keepAlive(true)
    signal?.addEventListener('abort', aborted, { once: true })
  })
}
