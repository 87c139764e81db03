/**
 * Where the records of each stream are put to, and for a while after a reshard where they were put
 * to before it: producers may repeat what they have sent by then.
 */

import { repeatsKnownMillis } from '../limits.ts'
import { retiredRoutes } from '../stream/retired-routes.ts'
import type { Stream } from '../stream/stream.ts'
import type { Puts } from './puts.ts'

export interface StreamRoutesParts {
  readonly puts: Pick<Puts, 'open' | 'close'>
  /** Milliseconds since 1970. */
  readonly now: () => number
  /** Milliseconds of a clock that never goes back. */
  readonly elapsed: () => number
  readonly report: (error: unknown) => void
}

export class StreamRoutes {
  readonly #parts: StreamRoutesParts
  readonly #startedMillis: number
  readonly #startedElapsed: number
  /** By the number of the stream: they forget what nobody needs any more. */
  readonly #timers = new Map<number, NodeJS.Timeout>()

  constructor(parts: StreamRoutesParts) {
    this.#parts = parts
    this.#startedMillis = parts.now()
    this.#startedElapsed = parts.elapsed()
  }

  /** A stream takes records, or its shards have changed. Throws what the log does. */
  open(stream: Stream): void {
    this.#forget(stream.number)
    const retired = retiredRoutes(stream, this.#sinceMillis())
    this.#parts.puts.open(stream, retired)
    if (retired.length === 0) return
    const timer = setTimeout(() => this.#refresh(stream), repeatsKnownMillis + 1)
    this.#timers.set(stream.number, timer.unref())
  }

  /** Nothing is put to it any more. */
  close(stream: Stream): void {
    this.#forget(stream.number)
    this.#parts.puts.close(stream)
  }

  /** Changes nothing of its own accord after this. */
  stop(): void {
    for (const number of this.#timers.keys()) this.#forget(number)
  }

  /**
   * From when on reshards count. All that there were before the start count as long as it is not
   * long ago: while a broker is away nobody can repeat anything. A clock that leaps forgets nothing
   * early.
   */
  #sinceMillis(): number {
    const { now, elapsed } = this.#parts
    const steady = this.#startedMillis + elapsed() - this.#startedElapsed
    const since = Math.min(now(), steady) - repeatsKnownMillis
    return since <= this.#startedMillis ? 0 : since
  }

  #refresh(stream: Stream): void {
    try {
      this.open(stream)
    } catch (error) {
      this.#parts.report(error)
    }
  }

  #forget(streamNumber: number): void {
    clearTimeout(this.#timers.get(streamNumber))
    this.#timers.delete(streamNumber)
  }
}
