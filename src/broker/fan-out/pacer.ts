/**
 * Keeps each subscriber of a shard of a PROVISIONED stream to 2 MiB a second: a cursor that is
 * ahead of that waits here, and its subscription goes on with other shards. No error: what it does
 * not send now it sends later.
 */

import { shardReadBytesPerSecondMax } from '../../limits.ts'
import { LinkedQueue } from './linked-queue.ts'
import type { ShardCursor } from './shard-cursor.ts'

const secondMillis = 1000
/** Who has to wait does so until it can send for so long at once. */
const restMillis = 100
/** How exactly it is woken, and up to when; whoever has to wait for longer comes again. */
const tickMillis = 20
const slotCount = 64

/** The pace of one cursor. Pure: times are milliseconds of a clock that never goes back. */
export class Pace {
  /** Until when what was sent is worth. */
  #sentUntil = Number.NEGATIVE_INFINITY

  /** Up to what is sent in a second can be sent at once. Bytes are those of keys and data. */
  take(bytes: number, nowMillis: number): void {
    const millis = (bytes / shardReadBytesPerSecondMax) * secondMillis
    this.#sentUntil = Math.max(this.#sentUntil, nowMillis) + millis
  }

  /** How long it has to wait before it may send; 0 = it need not. */
  waitMillis(nowMillis: number): number {
    const ahead = this.#sentUntil - nowMillis - secondMillis
    return ahead > 0 ? ahead + restMillis : 0
  }
}

export class Pacer {
  readonly #elapsed: () => number
  readonly #release: (cursor: ShardCursor) => void
  readonly #slots: LinkedQueue<ShardCursor>[]
  readonly #held = new Set<object>()
  #now = 0
  #count = 0
  #timer: NodeJS.Timeout | undefined

  /** `release` is told when a cursor need not wait any more, or is to be asked again. */
  constructor(elapsed: () => number, release: (cursor: ShardCursor) => void) {
    this.#elapsed = elapsed
    this.#release = release
    this.#slots = Array.from({ length: slotCount }, () => new LinkedQueue<ShardCursor>())
    for (const slot of this.#slots) this.#held.add(slot)
  }

  /** Cursors that wait. */
  get count(): number {
    return this.#count
  }

  /** A cursor sends records with so many bytes of keys and data. */
  take({ pace }: ShardCursor, bytes: number): void {
    pace?.take(bytes, this.#elapsed())
  }

  /** How long a cursor has to wait, in milliseconds; 0 for most. */
  waitMillis({ pace }: ShardCursor): number {
    return pace === undefined ? 0 : pace.waitMillis(this.#elapsed())
  }

  /** Keeps a cursor, which is in no queue, for a while. */
  hold(cursor: ShardCursor, millis: number): void {
    const ticks = Math.min(slotCount - 1, Math.max(1, Math.ceil(millis / tickMillis)))
    this.#slots[(this.#now + ticks) % slotCount]?.push(cursor)
    this.#count += 1
    if (this.#timer !== undefined) return
    this.#timer = setInterval(() => this.#tick(), tickMillis)
    this.#timer.unref()
  }

  isHolding({ queue }: ShardCursor): boolean {
    return queue !== undefined && this.#held.has(queue)
  }

  /** Lets go of a cursor that it holds, without a word. */
  drop(cursor: ShardCursor): void {
    const slot = cursor.queue as LinkedQueue<ShardCursor>
    slot.remove(cursor)
    this.#count -= 1
    this.#stopIfIdle()
  }

  #tick(): void {
    this.#now = (this.#now + 1) % slotCount
    const slot = this.#slots[this.#now] as LinkedQueue<ShardCursor>
    for (let cursor = slot.shift(); cursor !== undefined; cursor = slot.shift()) {
      this.#count -= 1
      this.#release(cursor)
    }
    this.#stopIfIdle()
  }

  #stopIfIdle(): void {
    if (this.#count > 0) return
    clearInterval(this.#timer)
    this.#timer = undefined
  }
}
