/** A PutRecords request whose shards are not all acknowledged yet. */

import type { PutRecordsAnswer, Waiter } from './log.ts'
import type { LogProgress } from './log-progress.ts'
import type { WaitingPart } from './native-calls.ts'
import type { AckWaiter } from './pending-acks.ts'

/** The same with bytes of its own. */
export function ownAnswer(answer: PutRecordsAnswer): PutRecordsAnswer {
  const { bytes, failedCount, durability, parts } = answer
  return { bytes: new Uint8Array(bytes), failedCount, durability, parts }
}

export class PendingPut implements AckWaiter {
  readonly #answer: PutRecordsAnswer
  readonly #parts: readonly WaitingPart[]
  readonly #waiter: Waiter<PutRecordsAnswer>
  #left: number
  #ended = false

  /** Copies the bytes of the answer, which are lent until the next call. */
  constructor(
    answer: PutRecordsAnswer,
    parts: readonly WaitingPart[],
    waiter: Waiter<PutRecordsAnswer>,
  ) {
    this.#answer = ownAnswer(answer)
    this.#parts = parts
    this.#waiter = waiter
    this.#left = parts.length
  }

  wait(progress: LogProgress): void {
    for (const { slot, endPosition } of this.#parts) progress.addAck(slot, endPosition, this)
  }

  reached(): void {
    this.#left -= 1
    if (this.#left === 0 && !this.#ended) this.#waiter.done(this.#answer)
  }

  /** One shard is enough: what the others have is not known to the client then either. */
  failed(error: unknown): void {
    if (this.#ended) return
    this.#ended = true
    this.#waiter.failed(error)
  }
}
