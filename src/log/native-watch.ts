/** The watch of a shard of a log in this process: reads are plain calls, positions plain loads. */

import type { Position, SequenceNumber, ShardWatch, Slice } from './log.ts'
import type { LogProgress } from './log-progress.ts'
import type { NativeCalls } from './native-calls.ts'
import { SliceScratch } from './slice-pool.ts'

/** From here on a copy costs more than the bookkeeping of memory that belongs to the log. */
const borrowBytesMin = 16 * 1024

export class NativeWatch implements ShardWatch {
  readonly #slot: number
  readonly #calls: NativeCalls
  readonly #progress: LogProgress
  readonly #moved: () => void
  readonly #scratch = new SliceScratch()
  /**
   * The segment that was read last. If it were let go of and taken again, all of it would count for
   * the collector as new memory each time, and soon nothing would be done but collect.
   */
  #segment: ArrayBufferLike | undefined

  constructor(slot: number, calls: NativeCalls, progress: LogProgress, moved: () => void) {
    this.#slot = slot
    this.#calls = calls
    this.#progress = progress
    this.#moved = moved
    progress.addWatcher(slot, moved)
  }

  get committedEnd(): Position {
    return this.#progress.committedEnd(this.#slot) as Position
  }

  get committedNextSequenceNumber(): SequenceNumber {
    return this.#progress.positions.committedNextSequence(this.#slot) as SequenceNumber
  }

  get isClosed(): boolean {
    return this.#progress.isClosed(this.#slot)
  }

  get stopReason(): unknown {
    return this.#progress.stopReason(this.#slot)
  }

  readNow(position: Position, bytesMax: number): Slice {
    const slot = this.#slot
    const committedNext = this.#progress.positions.committedNextSequence(slot)
    const left = this.#progress.committedEnd(slot) - position
    const available = left < 0n ? 0n : left
    if (bytesMax >= borrowBytesMin && available >= borrowBytesMin) {
      const slice = this.#calls.readBorrowed(slot, position, bytesMax, committedNext)
      if (slice.bytes.buffer !== this.#segment) this.#segment = slice.bytes.buffer
      return slice
    }
    return this.#calls.read(slot, position, bytesMax, available, committedNext, this.#scratch)
  }

  end(): void {
    this.#segment = undefined
    this.#progress.removeWatcher(this.#slot, this.#moved)
  }
}
