/** Waiting on a clock. */

import type { Clock } from './clock.ts'
import { onAbort } from './on-abort.ts'

/** Answers after `millis`; rejects with the reason of `signal`. It keeps the process alive. */
export function sleep(clock: Clock, millis: number, signal?: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    signal?.throwIfAborted()
    const timer = clock.after(millis, () => {
      forget()
      resolve()
    })
    timer.keepAlive(true)
    const forget = onAbort(signal, () => {
      timer.cancel()
      reject(signal?.reason)
    })
  })
}
