/** Shows that something takes long, and how long it has been at it. */

import type { Output } from './output.ts'
import { formatMillis } from './units.ts'

const firstMillis = 1000
const intervalMillis = 200

/** Runs `work`; from a second on, a terminal shows `what` and the time. */
export async function withProgress<Answer>(
  output: Output,
  what: () => string,
  work: () => Promise<Answer>,
): Promise<Answer> {
  const started = performance.now()
  const timer = setInterval(() => {
    const passed = performance.now() - started
    if (passed >= firstMillis) output.progress(`${what()} (${formatMillis(passed)})`)
  }, intervalMillis)
  try {
    return await work()
  } finally {
    clearInterval(timer)
    output.endProgress()
  }
}
