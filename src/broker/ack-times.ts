/**
 * How long puts wait for their acknowledgements. What counts runs for every put: it makes no
 * object, and asks the system for the time once in a turn of the event loop.
 */

import type { Durability } from '../log/log.ts'

/** Bounds double: 64 us, 128 us, ... 8.4 s. */
const firstBoundShift = 6
const boundCount = 18
const microsPerSecond = 1e6

/** The upper bounds of the buckets but for the last one, which has none, in seconds; ascending. */
export const ackBoundsSeconds: readonly number[] = Array.from(
  { length: boundCount },
  (_, index) => 2 ** (firstBoundShift + index) / microsPerSecond,
)

/** Puts of one durability that were acknowledged. */
export interface AckCounts {
  readonly durability: Durability
  /** By bucket, one more than there are bounds: how many took longer than the bound before it. */
  readonly counts: readonly number[]
  readonly sumSeconds: number
}

/** The bucket of a time: the first whose bound is not below it. */
export function bucketOf(micros: number): number {
  const index = 32 - Math.clz32((Math.max(micros, 1) - 1) >> firstBoundShift)
  return Math.min(index, boundCount)
}

export class AckTimes {
  readonly #elapsed: () => number
  /** Of each durability the buckets, and behind them the sum. */
  readonly #disk = new Float64Array(boundCount + 2)
  readonly #os = new Float64Array(boundCount + 2)
  #micros = 0
  #isFresh = false
  readonly #expire = () => {
    this.#isFresh = false
  }

  /** `elapsed` is a clock that never goes back, in milliseconds. */
  constructor(elapsed: () => number) {
    this.#elapsed = elapsed
  }

  /** The beginning of a put, for `end`. */
  begin(): number {
    return this.#now()
  }

  /** A put that has begun then is acknowledged. */
  end(begun: number, durability: Durability): void {
    // The clock comes round after 71 minutes; the difference does not care.
    const micros = (this.#now() - begun) | 0
    const counts = durability === 'os' ? this.#os : this.#disk
    const bucket = bucketOf(micros)
    counts[bucket] = (counts[bucket] as number) + 1
    counts[boundCount + 1] = (counts[boundCount + 1] as number) + micros
  }

  all(): AckCounts[] {
    return [countsOf('disk', this.#disk), countsOf('os', this.#os)]
  }

  /** Microseconds as 32 bits, which are no object; as of the first time in this turn. */
  #now(): number {
    if (!this.#isFresh) {
      this.#isFresh = true
      this.#micros = (this.#elapsed() * 1000) | 0
      setImmediate(this.#expire)
    }
    return this.#micros
  }
}

function countsOf(durability: Durability, from: Float64Array): AckCounts {
  const counts = Array.from(from.subarray(0, boundCount + 1))
  return { durability, counts, sumSeconds: (from[boundCount + 1] as number) / microsPerSecond }
}
