/**
 * When to wake those who wait for what this thread itself appends and commits at once: behind the
 * input that a turn of the event loop has at hand, once for all that comes together. What is
 * appended by who was woken just now would have to wait for another turn, with its system calls: it
 * wakes in the same one, until that has lasted for long.
 */

/** How long a turn goes on for what is asked for within it, in milliseconds. */
const turnMillis = 0.5

/** `now.then(run)` runs after what runs now, as queueMicrotask does, without an object of Node. */
const now = Promise.resolve()

export class WakeTurns {
  readonly #wake: () => void
  #isAsked = false
  /** Whether a wake-up is not over: what is asked for meanwhile is looked for when it is. */
  #isFollowed = false
  /** When this turn has lasted for long; undefined while that need not be known. */
  #end: number | undefined

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
    this.#end = undefined
    this.#run()
  }

  #run(): void {
    this.#isAsked = false
    this.#isFollowed = true
    // Behind the callbacks of `nextTick` and the promises that the wake-up leads to.
    void now.then(this.#follow)
    this.#wake()
  }

  readonly #follow = (): void => process.nextTick(this.#goOn)

  readonly #goOn = (): void => {
    this.#isFollowed = false
    if (!this.#isAsked) return
    const millis = performance.now()
    this.#end ??= millis + turnMillis
    if (millis < this.#end) this.#run()
    else setImmediate(this.#begin)
  }
}
