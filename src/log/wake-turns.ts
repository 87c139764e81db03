/**
 * When to wake those who wait for what this thread itself appends and commits at once: behind the
 * input that a turn of the event loop has at hand, once for all that comes together. What is
 * appended by who was woken just now would have to wait for another turn, with its system calls: it
 * wakes in the same one while that has not lasted for long. What takes longer needs the turn for
 * what comes back, such as credit.
 */

// Not the globals: each look at one of them is two calls.
import { performance } from 'node:perf_hooks'
import { nextTick } from 'node:process'

/** How long a turn goes on for what is asked for within it, in milliseconds. */
const turnMillis = 0.1

/** `now.then(run)` runs after what runs now, as queueMicrotask does, without an object of Node. */
const now = Promise.resolve()

export class WakeTurns {
  readonly #wake: () => void
  #isAsked = false
  /** Whether a wake-up is not over: what is asked for meanwhile is looked for when it is. */
  #isFollowed = false
  /** When this turn has lasted for long. */
  #end = 0

  constructor(wake: () => void) {
    this.#wake = wake
  }

  /** Something was appended and committed. */
  ask(): void {
    if (this.#isAsked) return
    this.#isAsked = true
    if (!this.#isFollowed) setImmediate(this.#begin)
  }

  readonly #begin = (): void => {
    this.#end = performance.now() + turnMillis
    this.#run()
  }

  #run(): void {
    this.#isAsked = false
    this.#isFollowed = true
    // Behind the callbacks of `nextTick` and the promises that the wake-up leads to.
    void now.then(this.#follow)
    this.#wake()
  }

  readonly #follow = (): void => nextTick(this.#goOn)

  readonly #goOn = (): void => {
    this.#isFollowed = false
    if (!this.#isAsked) return
    if (performance.now() < this.#end) this.#run()
    else setImmediate(this.#begin)
  }
}
