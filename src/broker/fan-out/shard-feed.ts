/**
 * One shard with all cursors in it: it waits for new records on behalf of those that have had
 * everything, and reads once what many of them are to get.
 *
 * Those that are sent all that has come stay where they wait: nothing is moved or asked for them
 * but what their own subscription decides. Everybody else goes the long way, by its own turn.
 */

import { sliceBytesMax } from '../../limits.ts'
import type { Log, Position, SequenceNumber, ShardId, ShardWatch, Slice } from '../../log/log.ts'
import type { SliceScratch } from '../../log/slice-pool.ts'
import { LinkedQueue } from './linked-queue.ts'
import type { Sender } from './rounds.ts'
import type { ShardCursor } from './shard-cursor.ts'

/** So many of those who wait are served in one turn. */
const servedMax = 16

export interface FeedOwner {
  /** Something has come for those that wait: the feed is to have its turn now. */
  moved(feed: ShardFeed): void
  /** A cursor that waited has something to do when it is its turn: to send, or to end. */
  advance(cursor: ShardCursor): void
  /** A slice that was read is about to change: who is still to get it has to get it now. */
  flush(): void
  /** Lends memory for a slice, until `giveBack` is called when the round is over. */
  lend(feed: ShardFeed): SliceScratch
}

export class ShardFeed implements Sender {
  readonly shard: ShardId
  readonly #watch: ShardWatch
  readonly #owner: FeedOwner
  /** Cursors that have had everything. */
  readonly #waiting = new LinkedQueue<ShardCursor>()
  /** The first of these whose turn has not been since the shard moved; in their order. */
  #due: ShardCursor | undefined
  /** Whether it has moved since their turns began: then they begin anew when all have had one. */
  #hasMovedOn = false
  queue: object | undefined
  ahead: Sender | undefined
  behind: Sender | undefined
  #shared: Slice | undefined
  /** What slices are read into, in this round. */
  #memory: SliceScratch | undefined
  #cursorCount = 0
  /** How far the shard could be read when it last moved. */
  end: Position
  /** Whether nothing will come behind `end`: it was closed, or has failed. */
  hasStopped = false

  /** Throws SHARD_NOT_FOUND, LOG_CLOSED. */
  constructor(log: Log, shard: ShardId, owner: FeedOwner) {
    this.shard = shard
    this.#owner = owner
    this.#watch = log.watch(shard, () => this.#moved())
    this.hasStopped = this.#look()
    this.end = this.#watch.committedEnd
  }

  get cursorCount(): number {
    return this.#cursorCount
  }

  /** One past the last record that can be read. */
  get next(): SequenceNumber {
    return this.#watch.committedNextSequenceNumber
  }

  /** Looks how far the shard can be read by now; answers whether that is behind a position. */
  reachesBeyond(position: Position): boolean {
    this.hasStopped = this.#look()
    this.end = this.#watch.committedEnd
    return this.end > position
  }

  /** Why reading ended, where that is no close. */
  get failure(): unknown {
    return this.#watch.stopReason
  }

  join(): void {
    this.#cursorCount += 1
  }

  leave(cursor: ShardCursor): void {
    this.#cursorCount -= 1
    if (this.#isWaiting(cursor)) this.#takeOut(cursor)
  }

  /** The cursor has had everything up to `end`. */
  wait(cursor: ShardCursor): void {
    this.#waiting.push(cursor)
  }

  /** Whether it still has. */
  isAtEnd(cursor: ShardCursor): boolean {
    return this.#isWaiting(cursor) && cursor.position >= this.end
  }

  /** Sends what has come to some of those that wait. */
  serve(): boolean {
    const slice = this.#readDue()
    if (slice === undefined) {
      this.#release()
      return false
    }
    for (let left = servedMax; left > 0 && this.#due !== undefined; left -= 1) {
      const cursor = this.#due
      this.#due = cursor.behind
      if (cursor.position >= this.end) continue
      // Whoever takes a slice may have others read: its memory is another slice then.
      const isSent = slice === this.#shared && cursor.subscription.sendLive(cursor, slice)
      if (!isSent) this.#advance(cursor)
    }
    return this.#nextDue() !== undefined
  }

  /** Something about the shard has changed that the log does not know of. */
  wakeAll(): void {
    this.#release()
  }

  /**
   * The slice at a position, of at most `bytesMax` bytes or one batch. Lent until the next one is
   * read. Throws what `Log.read` rejects with.
   */
  read(position: Position, bytesMax: number): Slice {
    const shared = this.#shared
    if (shared !== undefined && shared.position === position) {
      const bytes = shared.bytes.length
      // Positions count what is on disk, which of encrypted batches is more.
      const isWhole =
        shared.nextPosition >= this.end ||
        2 * bytes > bytesMax ||
        2 * Number(shared.nextPosition - position) > bytesMax
      if (isWhole && bytes <= bytesMax) return shared
    }
    if (shared !== undefined) this.#owner.flush()
    this.#memory ??= this.#owner.lend(this)
    this.#shared = undefined
    this.#shared = this.#watch.readNow(position, bytesMax, this.#memory)
    return this.#shared
  }

  /** Keeps no slice any more, and gives the memory back that was lent for it. */
  giveBack(): SliceScratch | undefined {
    const memory = this.#memory
    this.#shared = undefined
    this.#memory = undefined
    return memory
  }

  stop(): void {
    this.#watch.end()
  }

  #moved(): void {
    this.hasStopped = this.#look()
    this.end = this.#watch.committedEnd
    if (this.hasStopped) {
      this.#release()
      return
    }
    // Who has not had a turn yet has it first, however often the shard moves.
    this.#hasMovedOn = true
    if (this.#nextDue() !== undefined) this.#owner.moved(this)
  }

  /** To be called before the end is looked at: what was committed before a close is read. */
  #look(): boolean {
    return this.#watch.isClosed || this.#watch.stopReason !== undefined
  }

  /** The first whose turn it is; those that have all that has come need none. */
  #nextDue(): ShardCursor | undefined {
    if (this.#due === undefined && this.#hasMovedOn) {
      this.#hasMovedOn = false
      this.#due = this.#waiting.first
    }
    while (this.#due !== undefined && this.#due.position >= this.end) this.#due = this.#due.behind
    return this.#due
  }

  /** All that has come for those that are due; undefined where that is not one slice. */
  #readDue(): Slice | undefined {
    const due = this.#nextDue()
    if (due === undefined) return undefined
    try {
      const slice = this.read(due.position, sliceBytesMax)
      return slice.nextPosition >= this.end && slice.recordCount > 0 ? slice : undefined
    } catch {
      // Whoever reads it in its own turn finds out, and is told.
      return undefined
    }
  }

  /** Everybody who has something to do goes the long way. */
  #release(): void {
    let cursor = this.#waiting.first
    while (cursor !== undefined) {
      const { behind } = cursor
      if (this.hasStopped || cursor.position < this.end) this.#advance(cursor)
      cursor = behind
    }
    this.#due = undefined
    this.#hasMovedOn = false
  }

  #advance(cursor: ShardCursor): void {
    this.#takeOut(cursor)
    this.#owner.advance(cursor)
  }

  #isWaiting({ queue }: ShardCursor): boolean {
    return queue === this.#waiting
  }

  #takeOut(cursor: ShardCursor): void {
    if (this.#due === cursor) this.#due = cursor.behind
    this.#waiting.remove(cursor)
  }
}
