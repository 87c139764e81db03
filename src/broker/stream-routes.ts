/**
 * Where the records of each stream are put to, and for a while after a reshard where they were put
 * to before it: producers may repeat what they have sent by then.
 */

import { retiredRoutes, retiredRoutesMillis } from '../stream/retired-routes.ts'
import type { Stream } from '../stream/stream.ts'
import type { Puts } from './puts.ts'

export class StreamRoutes {
  readonly #puts: Pick<Puts, 'open' | 'close'>
  /** Milliseconds since 1970. */
  readonly #now: () => number
  readonly #report: (error: unknown) => void
  /** By the number of the stream: they forget what nobody needs any more. */
  readonly #timers = new Map<number, NodeJS.Timeout>()

  constructor(
    puts: Pick<Puts, 'open' | 'close'>,
    now: () => number,
    report: (error: unknown) => void,
  ) {
    this.#puts = puts
    this.#now = now
    this.#report = report
  }

  /** A stream takes records, or its shards have changed. Throws what the log does. */
  open(stream: Stream): void {
    this.#forget(stream.number)
    const retired = retiredRoutes(stream, this.#now())
    this.#puts.open(stream, retired)
    if (retired.length === 0) return
    const timer = setTimeout(() => this.#refresh(stream), retiredRoutesMillis + 1)
    this.#timers.set(stream.number, timer.unref())
  }

  /** Nothing is put to it any more. */
  close(stream: Stream): void {
    this.#forget(stream.number)
    this.#puts.close(stream)
  }

  /** Changes nothing of its own accord after this. */
  stop(): void {
    for (const number of this.#timers.keys()) this.#forget(number)
  }

  #refresh(stream: Stream): void {
    try {
      this.open(stream)
    } catch (error) {
      this.#report(error)
    }
  }

  #forget(streamNumber: number): void {
    clearTimeout(this.#timers.get(streamNumber))
    this.#timers.delete(streamNumber)
  }
}
