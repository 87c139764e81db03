/**
 * Work that can wait behind what else a turn of the event loop has at hand: it is done in its
 * order, for a few milliseconds a turn.
 *
 * It is for thousands of clients that lose their connections at once and come back at once. They
 * are accepted between two looks at the sockets, and the system keeps no more than a few thousand
 * of them waiting for that; the rest it drops, and they ask again a second later. A look that ends
 * a thousand subscriptions, or begins them, takes too long for that.
 */

// Not the global: each look at it is two calls.
import { performance } from 'node:perf_hooks'

/** How long a turn is used for it, in milliseconds. */
const turnMillis = 4

export class LateWork {
  #waiting: (() => void)[] = []

  /** `run` must not throw. */
  add(run: () => void): void {
    if (this.#waiting.length === 0) setImmediate(this.#run)
    this.#waiting.push(run)
  }

  /** Does all of it now. */
  finish(): void {
    while (this.#waiting.length > 0) {
      const waiting = this.#waiting
      this.#waiting = []
      for (const run of waiting) run()
    }
  }

  readonly #run = (): void => {
    const end = performance.now() + turnMillis
    let count = 0
    while (count < this.#waiting.length && (count === 0 || performance.now() < end)) {
      this.#waiting[count]?.()
      count += 1
    }
    this.#waiting.splice(0, count)
    if (this.#waiting.length > 0) setImmediate(this.#run)
  }
}
