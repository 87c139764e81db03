/** The watch of a shard of a log in this process: reads are plain calls, positions plain loads. */

import type { Position, SequenceNumber, ShardWatch, Slice } from './log.ts'
import type { LogProgress } from './log-progress.ts'
import type { NativeCalls } from './native-calls.ts'
import type { SliceMemory } from './slice-pool.ts'

export class NativeWatch implements ShardWatch {
  readonly #slot: number
  readonly #calls: NativeCalls
  readonly #progress: LogProgress
  readonly #moved: () => void

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

  readNow(position: Position, bytesMax: number, memory: SliceMemory): Slice {
    const slot = this.#slot
    const committedNext = this.#progress.positions.committedNextSequence(slot)
    const left = this.#progress.committedEnd(slot) - position
    const available = left < 0n ? 0n : left
    return this.#calls.read(slot, position, bytesMax, available, committedNext, memory)
  }

  end(): void {
    this.#progress.removeWatcher(this.#slot, this.#moved)
  }
}
