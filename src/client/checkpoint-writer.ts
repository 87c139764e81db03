/** Writes the checkpoints of the shards that a worker holds, and gives their leases back. */

import { MillraceError } from '../errors.ts'
import type { Verbs } from '../wire/verbs.ts'
import type { Clock } from './clock.ts'
import { healing } from './healing.ts'
import type { HeldShard } from './held-shard.ts'
import { LeaseLostError } from './lease-lost-error.ts'
import type { ShardLease } from './pushed-batches.ts'

export interface WriterParts {
  readonly verbs: Verbs
  readonly clock: Clock
  readonly streamName: string
  readonly consumerName: string
  readonly workerId: string
  lost(lease: ShardLease): void
}

export class CheckpointWriter {
  readonly #parts: WriterParts

  constructor(parts: WriterParts) {
    this.#parts = parts
  }

  /**
   * Answers when everything is on disk that is worked off now. Of a shard one write is on its way
   * at a time: what comes meanwhile goes with the next. Rejects with a LeaseLostError, with what
   * does not heal, and with the reason of the signal.
   */
  async store(held: HeldShard, signal: AbortSignal): Promise<void> {
    while (!held.isLost && held.due !== undefined) {
      held.writing ??= this.#write(held, signal).finally(() => {
        held.writing = undefined
      })
      await held.writing
    }
    if (held.isLost) throw new LeaseLostError(held.shardId, held.leaseCounter)
  }

  /** Gives the lease back, for others to take at once. Rejects as `store`, but for the lease. */
  async release({ shardId, leaseCounter }: ShardLease, signal: AbortSignal): Promise<void> {
    const { verbs, clock, streamName, consumerName, workerId } = this.#parts
    const request = { workerId, shardId, leaseCounter }
    try {
      await healing(clock, signal, () =>
        verbs.releaseLease(streamName, consumerName, request, { signal }),
      )
    } catch (error) {
      // A release whose answer was lost with its connection may have been carried out.
      if (!isLeaseLost(error)) throw error
    }
  }

  async #write(held: HeldShard, signal: AbortSignal): Promise<void> {
    const { verbs, clock, streamName, consumerName, lost } = this.#parts
    const { shardId, leaseCounter, due } = held
    if (due === undefined) return
    const request = { ...due, shardId, leaseCounter }
    try {
      await healing(clock, signal, () =>
        verbs.setCheckpoint(streamName, consumerName, request, { signal }),
      )
      held.stored(due)
    } catch (error) {
      if (!isLeaseLost(error)) throw error
      // Also of a worker that is on its way out, and holds nothing any more.
      held.isLost = true
      lost(held)
    }
  }
}

/** With a shard that has expired its lease is gone, too. */
export function isLeaseLost(error: unknown): boolean {
  const code = error instanceof MillraceError ? error.code : undefined
  return code === 'LEASE_LOST' || code === 'SHARD_NOT_FOUND'
}
