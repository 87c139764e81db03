/**
 * What is done for streams in the background, one step after the other for each. A step that fails
 * for want of space or of room is tried again; what cannot go on is left for the next open.
 */

import { setTimeout as delay } from 'node:timers/promises'
import { MillraceError } from '../errors.ts'

const retryMillisDefault = 1000

export class StreamWork {
  readonly #step: (number: number) => Promise<boolean>
  readonly #onError: (error: unknown) => void
  readonly #retryMillis: number
  readonly #running = new Map<number, Promise<void>>()
  readonly #again = new Set<number>()
  readonly #stop = new AbortController()

  /** `step` does the next step for a stream; false when there is none left. */
  constructor(
    step: (number: number) => Promise<boolean>,
    onError: (error: unknown) => void,
    retryMillis: number = retryMillisDefault,
  ) {
    this.#step = step
    this.#onError = onError
    this.#retryMillis = retryMillis
  }

  start(number: number): void {
    if (this.#stop.signal.aborted) return
    // Who runs already may have looked for the last time.
    if (this.#running.has(number)) this.#again.add(number)
    else this.#running.set(number, this.#run(number))
  }

  /** No step begins after this; answers when those that run have ended. */
  async stop(): Promise<void> {
    this.#stop.abort()
    await Promise.all(this.#running.values())
  }

  async #run(number: number): Promise<void> {
    do {
      this.#again.delete(number)
      await this.#doSteps(number)
    } while (this.#again.has(number))
    this.#running.delete(number)
  }

  async #doSteps(number: number): Promise<void> {
    while (!this.#stop.signal.aborted) {
      try {
        if (!(await this.#step(number))) return
      } catch (error) {
        this.#onError(error)
        if (!canHeal(error)) return
        await this.#pause()
      }
    }
  }

  async #pause(): Promise<void> {
    const { signal } = this.#stop
    const waited = delay(this.#retryMillis, undefined, { signal, ref: false })
    // Rejects when the work is stopped, and the loop then ends.
    await waited.catch(() => undefined)
  }
}

function canHeal(error: unknown): boolean {
  return (
    error instanceof MillraceError &&
    (error.code === 'DISK_FULL' || error.code === 'LIMIT_EXCEEDED')
  )
}
