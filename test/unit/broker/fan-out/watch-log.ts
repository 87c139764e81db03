/** A log that counts what is asked of its watches, and lets them fail. */

import type { Log, Position, ShardId, ShardWatch } from '../../../../src/log/log.ts'
import type { SliceMemory } from '../../../../src/log/slice-pool.ts'

interface Failure {
  readonly error: Error
  readonly readsToo: boolean
}

export class WatchLog {
  /** Watches that have not ended, and reads so far. */
  open = 0
  reads = 0
  /** Nobody hears that a shard has moved. */
  isDeaf = false
  /** Shards that have been closed look open. */
  hidesCloses = false
  readonly #failures = new Map<ShardId, Failure>()
  readonly #told = new Map<ShardId, () => void>()

  /** Nothing more can be read behind the end of a shard, or nothing at all. */
  fail(shard: ShardId, error: Error, readsToo = false): void {
    this.#failures.set(shard, { error, readsToo })
    this.#told.get(shard)?.()
  }

  /** A shard has moved, and nobody waits for the next turn to say so. */
  tell(shard: ShardId): void {
    this.#told.get(shard)?.()
  }

  wrap(log: Log): Log {
    const watch: Log['watch'] = (shard, moved) => {
      this.#told.set(shard, moved)
      this.open += 1
      const heard = () => {
        if (!this.isDeaf) moved()
      }
      return this.#watch(shard, log.watch(shard, heard))
    }
    return new Proxy(log, {
      get: (target, name) => {
        if (name === 'watch') return watch
        const value = Reflect.get(target, name, target)
        return typeof value === 'function' ? value.bind(target) : value
      },
    })
  }

  #watch(shard: ShardId, real: ShardWatch): ShardWatch {
    const failure = () => this.#failures.get(shard)
    const isClosed = () => real.isClosed && !this.hidesCloses
    return {
      get committedEnd() {
        return real.committedEnd
      },
      get committedNextSequenceNumber() {
        return real.committedNextSequenceNumber
      },
      get isClosed() {
        return isClosed()
      },
      get stopReason() {
        return failure()?.error ?? real.stopReason
      },
      readNow: (position: Position, bytesMax: number, memory: SliceMemory) => {
        this.reads += 1
        const it = failure()
        if (it?.readsToo === true) throw it.error
        return real.readNow(position, bytesMax, memory)
      },
      end: () => {
        this.open -= 1
        real.end()
      },
    }
  }
}
