/**
 * Who waits for what in one log, and the wake-up that tells them. The event loop is kept alive, and
 * the log from being collected, exactly while somebody waits.
 */

import { MillraceError } from '../errors.ts'
import { constants, type NativeLogHandle } from './binding.ts'
import { CommittedPositions } from './committed-positions.ts'
import { type AckWaiter, PendingAcks } from './pending-acks.ts'
import { type TailWaiter, TailWaiters } from './tail-waiters.ts'
import { TailWatchers } from './tail-watchers.ts'
import { WakeTurns } from './wake-turns.ts'

const shardClosed = constants.errorCodes.indexOf('SHARD_CLOSED')

/** Logs that somebody waits for: a promise alone would not keep its log alive. */
const awaited = new Set<LogProgress>()

export class LogProgress {
  readonly positions: CommittedPositions
  readonly #handle: NativeLogHandle
  readonly #acks = new PendingAcks()
  readonly #tails = new TailWaiters()
  readonly #watchers = new TailWatchers()
  readonly #turns = new WakeTurns(() => this.wake())
  #closedBecause: unknown

  constructor(handle: NativeLogHandle) {
    this.#handle = handle
    this.positions = new CommittedPositions(handle)
  }

  addAck(slot: number, end: bigint, waiter: AckWaiter): void {
    this.#acks.add(slot, end, waiter)
    this.#updateAwaited()
  }

  /** Whether an earlier append to the shard has not been told that it is acknowledged. */
  hasAcks(slot: number): boolean {
    return this.#acks.has(slot)
  }

  addTail(slot: number, waiter: TailWaiter): void {
    this.#tails.add(slot, waiter)
    this.#updateAwaited()
  }

  removeTail(slot: number, waiter: TailWaiter): void {
    this.#tails.remove(slot, waiter)
    this.#updateAwaited()
  }

  addWatcher(slot: number, moved: () => void): void {
    this.#watchers.add(slot, moved, this.positions.words(slot))
    this.#updateAwaited()
  }

  removeWatcher(slot: number, moved: () => void): void {
    this.#watchers.remove(slot, moved)
    this.#updateAwaited()
  }

  /** Something was committed, failed, sealed or deleted. */
  wake(): void {
    this.#acks.settle(this)
    this.#tails.settle(this)
    this.#watchers.settle()
    this.#updateAwaited()
  }

  /** As `wake`, soon: for what an append of this thread has committed at once. */
  wakeSoon(): void {
    if (this.#isAwaited) this.#turns.ask()
  }

  /** Tells everybody who still waits that the log is closed. */
  close(): void {
    this.wake()
    this.#closedBecause = new MillraceError('LOG_CLOSED')
    this.#acks.failAll(this.#closedBecause)
    this.#tails.failAll(this.#closedBecause)
    this.#watchers.tellAll()
    this.#updateAwaited()
  }

  committedEnd(slot: number): bigint {
    return this.positions.committedEnd(slot)
  }

  /** Appends are refused before the last of them are committed: only then nothing more comes. */
  isClosed(slot: number): boolean {
    const { positions } = this
    if (positions.state(slot) !== shardClosed) return false
    return positions.committedEnd(slot) === positions.appendedEnd(slot)
  }

  /** The error of a shard that failed, was deleted, or whose log is closed. */
  stopReason(slot: number): unknown {
    if (this.#closedBecause !== undefined) return this.#closedBecause
    const state = this.positions.state(slot)
    if (state === 0 || state === shardClosed) return undefined
    try {
      this.#handle.stats(constants.statsKinds.shardState, slot)
    } catch (error) {
      return error
    }
    return undefined
  }

  get #isAwaited(): boolean {
    return !this.#acks.isEmpty || !this.#tails.isEmpty || !this.#watchers.isEmpty
  }

  #updateAwaited(): void {
    const isAwaited = this.#isAwaited
    if (isAwaited === awaited.has(this)) return
    if (isAwaited) awaited.add(this)
    else awaited.delete(this)
    this.#handle.setReferenced(isAwaited)
  }
}
