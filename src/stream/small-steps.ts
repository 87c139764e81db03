/** Work of the background that lets everything else come in between. */

import { setImmediate as nextTurn } from 'node:timers/promises'

/** How long it goes on without a pause, in milliseconds. */
const stepMillis = 2

export class SmallSteps {
  #begunMillis = 0

  /** To be awaited between two steps. */
  async pause(): Promise<void> {
    const now = performance.now()
    if (now - this.#begunMillis < stepMillis) return
    await nextTurn()
    this.#begunMillis = performance.now()
  }
}
