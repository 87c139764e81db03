/**
 * One subscription: cursors into the log, and a credit. No queue of records: what has not been sent
 * is in the log.
 *
 * `serve` is the hot path of the broker. It runs for every slice that is pushed, makes no object
 * for one, and looks at no record.
 */

import type { MillraceError } from '../../errors.ts'
import { sliceBytesMax } from '../../limits.ts'
import type { ShardId, Slice } from '../../log/log.ts'
import { payloadBytes } from '../../log/payload-bytes.ts'
import {
  encodePush,
  gap,
  type Push,
  type PushOf,
  shardEnded,
  shardStarted,
  subscriptionEnded,
} from '../../wire/pushes.ts'
import { asMillraceError } from '../stream-errors.ts'
import { Credit } from './credit.ts'
import type { CreditShare } from './credit-shares.ts'
import { LinkedQueue } from './linked-queue.ts'
import type { Receiver } from './outbox.ts'
import type { Sender } from './rounds.ts'
import { type ShardCursor, subscribedShardOf } from './shard-cursor.ts'
import type { SharedWay } from './shared-way.ts'
import {
  endOf,
  type GapFields,
  progressOf,
  type Scope,
  type SubscriptionOwner,
  type SubscriptionParts,
} from './subscription-parts.ts'

export class Subscription implements Sender, Receiver {
  readonly id: number
  readonly streamName: string
  readonly streamNumber: number
  readonly consumerName: string | undefined
  readonly leaseCounter: bigint | undefined
  readonly scope: Scope
  readonly share: CreditShare
  readonly cursors: Map<ShardId, ShardCursor> = new Map()
  readonly #credit: Credit
  readonly #way: SharedWay
  readonly #owner: SubscriptionOwner
  /** Cursors behind which there is something, in the order of their turns. */
  readonly #pending = new LinkedQueue<ShardCursor>()
  readonly #caughtUp: ShardCursor[] = []
  readonly #openingGaps: GapFields[] = []
  readonly #onEnd: (() => void)[] = []
  queue: object | undefined
  ahead: Sender | undefined
  behind: Sender | undefined
  /** Cursors that wait as they have been too quick. */
  #heldCount = 0
  #isBegun = false
  #hasEnded = false
  #owesHeartbeat = false
  /** Whether something waits to be sent until its credit comes back. */
  #isOwed = false
  /** Heartbeats since something waits for credit, and none has come back. */
  #owedBeats = 0
  #returnsSeen = 0

  constructor(parts: SubscriptionParts) {
    this.id = parts.id
    this.streamName = parts.streamName
    this.streamNumber = parts.streamNumber
    this.consumerName = parts.consumerName
    this.leaseCounter = parts.leaseCounter
    this.scope = parts.scope
    this.#credit = new Credit(parts.creditBytes)
    this.#way = parts.way
    this.share = parts.share
    this.#owner = parts.owner
  }

  get hasEnded(): boolean {
    return this.#hasEnded
  }

  /** Bytes on their way. */
  get bytesOut(): number {
    return this.#credit.out
  }

  /** `behind` with something to send, `waiting` for credit; `live` otherwise. */
  get state(): 'live' | 'behind' | 'waiting' {
    if (this.#isOwed) return 'waiting'
    return this.#pending.first === undefined && this.#heldCount === 0 ? 'live' : 'behind'
  }

  /** Whether something waits for credit, its own or what it shares with others. */
  get owesCredit(): boolean {
    return this.#isOwed || this.#way.isWaiting(this) || this.share.isLimiting(this)
  }

  /** `run` is called when it has ended, however that comes. */
  onEnd(run: () => void): void {
    this.#onEnd.push(run)
  }

  /** Nothing is sent before this: the answer that names the subscription has to leave first. */
  begin(): void {
    if (this.#hasEnded) return
    this.#isBegun = true
    for (const fields of this.#openingGaps.splice(0)) this.#tellGap(fields)
    for (const cursor of this.cursors.values()) this.#pending.push(cursor)
    this.#owner.ready(this, false)
  }

  /** One more shard; one that begins later is announced. */
  add(cursor: ShardCursor): void {
    this.cursors.set(cursor.shard, cursor)
    if (!this.#isBegun) return
    this.#push(shardStarted, { subscriptionId: this.id, shard: subscribedShardOf(cursor) })
    // Whoever takes the frames may end the subscription at once.
    if (this.#hasEnded) return
    this.#pending.push(cursor)
    this.#owner.ready(this, false)
  }

  /** There is something behind a cursor that had had everything. */
  advance(cursor: ShardCursor): void {
    this.#pending.push(cursor)
    if (!this.#isOwed && !this.#way.isPaused) this.#owner.ready(this, true)
  }

  /** A cursor that was held may go on. */
  release(cursor: ShardCursor): void {
    this.#heldCount -= 1
    this.#pending.push(cursor)
    if (!this.#isOwed && !this.#way.isPaused) this.#owner.ready(this, false)
  }

  /** The sink takes slices again, or the connection has credit again. */
  resume(): void {
    if (this.#pending.first !== undefined || this.#owesHeartbeat) this.#owner.ready(this, false)
  }

  /** False for more than is on its way. */
  giveBack(bytes: number): boolean {
    if (!this.#credit.giveBack(bytes)) return false
    this.#way.giveBack(bytes)
    this.share.giveBack(bytes)
    this.#isOwed = false
    this.#owedBeats = 0
    if (this.#pending.first !== undefined) this.#owner.ready(this, false)
    return true
  }

  /**
   * Time for a heartbeat. Answers for how many of them something has waited for credit: of its own,
   * or of others, which wait for what all have on their way.
   */
  beat(): number {
    if (!this.#isBegun) return 0
    this.#owesHeartbeat = true
    this.#owner.ready(this, false)
    const { returns } = this.#way
    if (this.#pending.first === undefined) this.share.forget(this)
    const isStuck =
      this.#isOwed ||
      (this.#way.isWaiting(this) && returns === this.#returnsSeen) ||
      this.share.isLimiting(this) ||
      this.share.isStarvedBy(this)
    this.#returnsSeen = returns
    this.#owedBeats = isStuck ? this.#owedBeats + 1 : 0
    return this.#owedBeats
  }

  /** Sends a cursor that waits all that has come; false: there is more to be done than that. */
  sendLive(cursor: ShardCursor, slice: Slice): boolean {
    const { length } = slice.bytes
    if (this.#isOwed || !this.#way.isReady || this.#pending.first !== undefined) return false
    if (cursor.position !== slice.position || cursor.owesCaughtUp) return false
    if (cursor.pace !== undefined && this.#owner.waits(cursor)) return false
    if (length > this.#room() || !this.#allows(length)) return false
    cursor.pass(slice)
    this.#pushSlice(cursor, slice)
    return true
  }

  serve(): boolean {
    let left = sliceBytesMax
    for (let cursor = this.#next(); cursor !== undefined && left > 0; cursor = this.#next()) {
      const sent = this.#send(cursor)
      if (sent < 0) break
      left -= sent
    }
    if (this.#hasEnded) return false
    if (this.#caughtUp.length > 0) this.#tellCaughtUp()
    if (this.#owesHeartbeat && !this.#way.isPaused) this.#tellAllProgress()
    return left <= 0 && this.#next() !== undefined
  }

  deliver(slice: Uint8Array): void {
    this.#way.hasUnsent = false
    if (!this.#hasEnded && !this.#way.sink.push(slice, true)) this.#way.isPaused = true
  }

  /** Ends it, and says so: with an error, or as everything has been sent. */
  end(error?: MillraceError): void {
    if (this.#hasEnded) return
    if (error !== undefined) this.#owner.report(error)
    const fields = { subscriptionId: this.id, ...(error === undefined ? {} : endOf(error)) }
    if (this.#isBegun) this.#sendFrame(encodePush(subscriptionEnded, fields))
    else setImmediate(() => this.#sendFrame(encodePush(subscriptionEnded, fields)))
    this.stop()
  }

  /** Ends it with where it stands: what was sent before is all that will have been. */
  finish(): void {
    if (this.#isBegun) this.#tellAllProgress()
    this.stop()
  }

  /** Ends it without a word. */
  stop(): void {
    if (this.#hasEnded) return
    this.#hasEnded = true
    for (const cursor of this.cursors.values()) this.#free(cursor)
    this.cursors.clear()
    this.#caughtUp.length = 0
    this.#way.leave(this, this.bytesOut)
    this.share.leave(this)
    for (const run of this.#onEnd) run()
  }

  /** Records of a shard are missing that come before all that is sent of it. */
  beginsWithGap(fields: GapFields): void {
    if (this.#isBegun) this.#tellGap(fields)
    else this.#openingGaps.push(fields)
  }

  #tellGap(fields: GapFields): void {
    this.#push(gap, { subscriptionId: this.id, ...fields })
  }

  /** The cursor whose turn it is, while anything can be sent. */
  #next(): ShardCursor | undefined {
    return this.#way.isPaused || this.#isOwed ? undefined : this.#pending.first
  }

  #free(cursor: ShardCursor): void {
    if (cursor.queue === this.#pending) this.#pending.remove(cursor)
    this.#owner.free(cursor)
  }

  /** Sends the next slice of the first cursor. Answers its bytes, -1 = it has to wait. */
  #send(cursor: ShardCursor): number {
    if (this.#way.hasUnsent) {
      this.#owner.flush()
      if (this.#hasEnded || this.#way.isPaused) return -1
    }
    const { feed } = cursor
    if (cursor.position >= feed.end) return this.#reachEnd(cursor)
    if (cursor.pace !== undefined && this.#hold(cursor)) return 0
    if (!this.#allows(cursor.need > 0 ? cursor.need : 1)) return -1
    const room = Math.min(this.#room(), sliceBytesMax)
    const slice = this.#read(cursor, Math.max(room, 1))
    if (slice === undefined) return 0
    const bytes = slice.bytes.length
    if (bytes === 0) return this.#reachEnd(cursor)
    if (bytes > room && !this.#allows(bytes)) {
      cursor.need = bytes
      return -1
    }
    if (cursor.lost !== undefined) this.#tellLost(cursor, slice.firstSequenceNumber)
    cursor.pass(slice)
    // Marks of the log alone.
    if (slice.recordCount > 0) this.#pushSlice(cursor, slice)
    // Whoever takes the frames may end the subscription at once.
    if (this.#hasEnded) return bytes
    if (cursor.position >= feed.end) this.#reachEnd(cursor)
    else if (this.#pending.hasMore) this.#rotate(cursor)
    return bytes
  }

  /** Whether it has been too quick; others have their turns meanwhile. */
  #hold(cursor: ShardCursor): boolean {
    if (!this.#owner.waits(cursor)) return false
    this.#pending.remove(cursor)
    this.#heldCount += 1
    this.#owner.hold(cursor)
    return true
  }

  #rotate(cursor: ShardCursor): void {
    this.#pending.remove(cursor)
    this.#pending.push(cursor)
  }

  #pushSlice(cursor: ShardCursor, { bytes, recordCount }: Slice): void {
    if (this.#hasEnded) return
    const { counts } = cursor
    if (cursor.pace !== undefined) this.#owner.sends(cursor, payloadBytes(bytes))
    this.#credit.take(bytes.length)
    this.#way.take(bytes.length)
    this.share.take(bytes.length)
    counts.pushedSlices += 1
    counts.pushedRecords += recordCount
    counts.pushedBytes += bytes.length
    this.#way.hasUnsent = true
    this.#owner.send(this, bytes)
  }

  #allows(bytes: number): boolean {
    this.#isOwed = !this.#credit.allows(bytes)
    return !this.#isOwed && this.#way.allows(this, bytes) && this.share.allows(this, bytes)
  }

  #room(): number {
    return Math.min(this.#credit.left, this.#way.credit.left, this.share.roomFor(this))
  }

  /** Undefined where there is none at the cursor, which goes on elsewhere, or not at all. */
  #read(cursor: ShardCursor, bytesMax: number): Slice | undefined {
    try {
      return cursor.feed.read(cursor.position, bytesMax)
    } catch (error) {
      const reason = asMillraceError(error)
      if (!cursor.passOver(reason)) this.end(reason)
      return undefined
    }
  }

  /** What is behind the records that are lost is known now. */
  #tellLost(cursor: ShardCursor, endSequenceNumber: bigint): void {
    const { lost, next: startSequenceNumber } = cursor
    cursor.lost = undefined
    if (lost === undefined || endSequenceNumber <= startSequenceNumber) return
    const { shard: shardNumber } = cursor
    this.#tellGap({ shardNumber, reason: lost, startSequenceNumber, endSequenceNumber })
  }

  /** The cursor whose turn it is has had everything. */
  #reachEnd(cursor: ShardCursor): number {
    const { feed } = cursor
    if (cursor.lost !== undefined) {
      const { next } = feed
      // What has been committed meanwhile is not lost: it is read first.
      if (feed.reachesBeyond(cursor.position)) return 0
      this.#tellLost(cursor, next)
      cursor.next = next
    }
    if (this.#hasEnded || (feed.hasStopped && this.#reachStop(cursor))) return 0
    this.#pending.remove(cursor)
    feed.wait(cursor)
    if (cursor.owesCaughtUp) {
      cursor.owesCaughtUp = false
      this.#caughtUp.push(cursor)
    }
    return 0
  }

  /** Whether it was the end of the shard, or of the subscription. */
  #reachStop(cursor: ShardCursor): boolean {
    const { failure } = cursor.feed
    if (failure !== undefined) {
      this.end(asMillraceError(failure))
      return true
    }
    const childShards = this.#owner.childrenOf(cursor)
    if (childShards === undefined) return false
    if (this.#caughtUp.length > 0) this.#tellCaughtUp()
    if (this.#hasEnded) return true
    this.#push(shardEnded, { subscriptionId: this.id, shardNumber: cursor.shard, childShards })
    if (this.#hasEnded) return true
    this.cursors.delete(cursor.shard)
    this.#free(cursor)
    this.scope.finished(this, cursor.index)
    return true
  }

  #tellCaughtUp(): void {
    this.#tellProgress(this.#caughtUp.splice(0))
  }

  #tellAllProgress(): void {
    this.#owesHeartbeat = false
    this.#tellProgress([...this.cursors.values()])
  }

  #tellProgress(cursors: readonly ShardCursor[]): void {
    const shards = cursors.map((it) => progressOf(it, this.#owner))
    for (const [at, cursor] of cursors.entries()) {
      if (shards[at]?.millisBehindLatest !== 0) cursor.owesCaughtUp = true
    }
    if (this.#hasEnded) return
    this.#sendFrame(this.#owner.progress.of({ subscriptionId: this.id, shards }))
  }

  /** Whoever takes a push may end the subscription at once: then no other follows. */
  #push<It extends Push>(push: It, fields: PushOf<It>): void {
    if (!this.#hasEnded) this.#sendFrame(encodePush(push, fields))
  }

  #sendFrame(frame: Uint8Array): void {
    if (this.#way.hasUnsent) this.#owner.flush()
    if (this.#way.isClosed) return
    if (!this.#way.sink.push(frame, false)) this.#way.isPaused = true
  }
}
