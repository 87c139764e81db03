/** All subscriptions of a broker, and what they share. Knows no sockets. */

import { MillraceError } from '../../errors.ts'
import type { Log, Position, SequenceNumber, ShardId } from '../../log/log.ts'
import { SliceScratch } from '../../log/slice-pool.ts'
import { childShards, type Shard } from '../../shard/shard.ts'
import { isServing, type Stream } from '../../stream/stream.ts'
import { batchLayout } from '../../wire/batch-layout.ts'
import type { ChildShard } from '../../wire/structures.ts'
import type { BrokerContext } from '../context.ts'
import type { Start } from '../start-position.ts'
import { asMillraceError, gapOf, streamNotFound } from '../stream-errors.ts'
import { Claims } from './claims.ts'
import { CreditShares } from './credit-shares.ts'
import { creditShareBytes, type FanOutLimits, fanOutLimits } from './fan-out-limits.ts'
import { Heartbeats } from './heartbeats.ts'
import { Outbox } from './outbox.ts'
import { Pace, Pacer } from './pacer.ts'
import { ProgressFrames } from './progress-frames.ts'
import { Rounds } from './rounds.ts'
import { ShardCursor } from './shard-cursor.ts'
import { type FeedOwner, ShardFeed } from './shard-feed.ts'
import type { Subscription } from './subscription.ts'
import type { SubscriptionOwner } from './subscription-parts.ts'

/** Memory that had to hold a larger batch is not kept, nor is more than that of some shards. */
const keptBytesMax = 1024 * 1024
const keptCountMax = 64

export type FanOutContext = Pick<
  BrokerContext,
  'log' | 'streams' | 'consumers' | 'counters' | 'now' | 'elapsed'
> & {
  /** Told of bugs, and of a log that has failed. */
  readonly report: (error: MillraceError) => void
}

/** Where a cursor begins. */
export interface Place extends Start {
  readonly position: Position
}

/** What subscriptions are doing now, and have done since the broker was opened. */
export interface FanOutStats {
  /** Subscriptions that have sent everything, have more to send, and wait for credit. */
  readonly live: number
  readonly behind: number
  readonly waiting: number
  /** Bytes of slices on their way. */
  readonly creditOutBytes: number
  /** Bytes of the log that are still to be sent, of all subscriptions together. */
  readonly behindBytes: number
  readonly takenOver: number
  /** By stream: how long ago the oldest record arrived that is still to be sent to somebody. */
  readonly behindMillis: ReadonlyMap<string, number>
}

export class FanOut implements FeedOwner, SubscriptionOwner {
  readonly context: FanOutContext
  readonly claims: Claims = new Claims()
  readonly limits: FanOutLimits
  readonly heartbeats: Heartbeats
  readonly shares: CreditShares
  readonly progress: ProgressFrames = new ProgressFrames()
  readonly #subscriptions = new Set<Subscription>()
  readonly #feeds = new Map<ShardId, ShardFeed>()
  readonly #pacer: Pacer
  readonly #outbox = new Outbox()
  readonly #rounds: Rounds
  /** Feeds that have read something in this round, and memory that is free for the next. */
  readonly #reading: ShardFeed[] = []
  readonly #memories: SliceScratch[] = []
  #isClosed = false

  constructor(context: FanOutContext, limits: Partial<FanOutLimits> = {}) {
    this.context = context
    this.limits = fanOutLimits(limits)
    this.#rounds = new Rounds(this.limits.roundMillisMax, () => this.#takeBack())
    this.heartbeats = new Heartbeats(this.limits.heartbeatMillis)
    const { creditTotalBytesMax } = this.limits
    this.shares = new CreditShares(creditTotalBytesMax, creditShareBytes(this.limits))
    this.#pacer = new Pacer(context.elapsed, (cursor) => cursor.subscription.release(cursor))
    context.consumers.onDeregistered((streamNumber, consumerName) =>
      this.#consumerGone(streamNumber, consumerName),
    )
  }

  get isClosed(): boolean {
    return this.#isClosed
  }

  /** A subscription that is complete but for its beginning. */
  register(subscription: Subscription): void {
    this.#subscriptions.add(subscription)
    subscription.onEnd(() => this.#subscriptions.delete(subscription))
  }

  /** A cursor in a shard. Throws SHARD_NOT_FOUND, LOG_CLOSED. */
  cursor(subscription: Subscription, { number, index }: Shard, place: Place): ShardCursor {
    let feed = this.#feeds.get(number)
    if (feed === undefined) {
      feed = new ShardFeed(this.context.log, number, this)
      this.#feeds.set(number, feed)
    }
    feed.join()
    const counts = this.context.counters.of(subscription.streamName)
    const cursor = new ShardCursor(subscription, feed, index, counts, place)
    this.#setPace(cursor, this.context.streams.findShard(number)?.stream)
    return cursor
  }

  /** Whether a subscription is in a shard. */
  isReading(shard: ShardId): boolean {
    return this.#feeds.has(shard)
  }

  free(cursor: ShardCursor): void {
    const { feed, subscription } = cursor
    this.claims.release(subscription, feed.shard)
    if (this.#pacer.isHolding(cursor)) this.#pacer.drop(cursor)
    feed.leave(cursor)
    if (feed.cursorCount > 0) return
    feed.stop()
    this.#feeds.delete(feed.shard)
  }

  moved(feed: ShardFeed): void {
    this.#rounds.addNow(feed)
  }

  advance(cursor: ShardCursor): void {
    cursor.subscription.advance(cursor)
  }

  lend(feed: ShardFeed): SliceScratch {
    this.#reading.push(feed)
    return this.#memories.pop() ?? new SliceScratch()
  }

  send(subscription: Subscription, slice: Uint8Array): void {
    this.#outbox.add(subscription, slice)
  }

  flush(): void {
    this.#outbox.flush()
  }

  ready(subscription: Subscription, isLive: boolean): void {
    if (isLive) this.#rounds.addNow(subscription)
    else this.#rounds.add(subscription)
  }

  childrenOf({ feed }: ShardCursor): readonly ChildShard[] | undefined {
    const found = this.context.streams.findShard(feed.shard)
    // The log may know of the end before the catalog has the children.
    if (found?.shard.closing === undefined) return undefined
    return childShards(found.stream.shards.values(), found.shard)
  }

  millisBehind(cursor: ShardCursor): number {
    const { feed, position } = cursor
    if (feed.isAtEnd(cursor)) return 0
    return Math.max(1, this.context.now() - arrivalOf(feed, position, this.context.now()))
  }

  report(error: MillraceError): void {
    if (error.code === 'INTERNAL' || error.code === 'LOG_FAILED') this.context.report(error)
  }

  /** A stream takes records or does so no more, or its shards have changed. */
  streamChanged(stream: Stream): void {
    if (!isServing(stream)) {
      this.#end(streamNotFound(stream.name), (it) => it.streamNumber === stream.number)
      return
    }
    for (const subscription of this.#subscriptions) {
      if (subscription.streamNumber !== stream.number) continue
      for (const cursor of subscription.cursors.values()) this.#setPace(cursor, stream)
    }
    for (const { number } of stream.shards.values()) this.#feeds.get(number)?.wakeAll()
  }

  waits(cursor: ShardCursor): boolean {
    return this.#pacer.waitMillis(cursor) > 0
  }

  hold(cursor: ShardCursor): void {
    this.#pacer.hold(cursor, this.#pacer.waitMillis(cursor))
  }

  sends(cursor: ShardCursor, bytes: number): void {
    this.#pacer.take(cursor, bytes)
  }

  /** One that waits as its stream was PROVISIONED goes on when it is asked the next time. */
  #setPace(cursor: ShardCursor, stream: Stream | undefined): void {
    if (stream?.mode !== 'PROVISIONED') cursor.pace = undefined
    else cursor.pace ??= new Pace()
  }

  /** Ends everything, and takes no more. */
  close(error: MillraceError): void {
    this.#isClosed = true
    this.#end(error, () => true)
  }

  stats(): FanOutStats {
    const counts = { live: 0, behind: 0, waiting: 0 }
    let creditOutBytes = 0
    let behindBytes = 0
    const furthest = new Map<ShardFeed, ShardCursor>()
    for (const subscription of this.#subscriptions) {
      counts[subscription.state] += 1
      creditOutBytes += subscription.bytesOut
      for (const cursor of subscription.cursors.values()) {
        const { feed, position } = cursor
        if (feed.end <= position) continue
        behindBytes += Number(feed.end - position)
        const other = furthest.get(feed)
        if (other === undefined || position < other.position) furthest.set(feed, cursor)
      }
    }
    const behindMillis = this.#behindMillis(furthest.values())
    const { takenOver } = this.claims
    return { ...counts, creditOutBytes, behindBytes, takenOver, behindMillis }
  }

  #behindMillis(cursors: Iterable<ShardCursor>): Map<string, number> {
    const millis = new Map<string, number>()
    for (const cursor of cursors) {
      const { streamName } = cursor.subscription
      const most = Math.max(millis.get(streamName) ?? 0, this.millisBehind(cursor))
      millis.set(streamName, most)
    }
    return millis
  }

  #consumerGone(streamNumber: number, consumerName: string): void {
    const text = `Consumer ${consumerName} was deregistered.`
    this.#end(
      new MillraceError('CONSUMER_NOT_FOUND', text),
      (it) => it.streamNumber === streamNumber && it.consumerName === consumerName,
    )
  }

  #end(error: MillraceError, isMeant: (subscription: Subscription) => boolean): void {
    for (const subscription of [...this.#subscriptions]) {
      if (isMeant(subscription)) subscription.end(error)
    }
  }

  #takeBack(): void {
    this.#outbox.flush()
    // To set the length of an array is a call into the runtime, to take its last one is not.
    for (let feed = this.#reading.pop(); feed !== undefined; feed = this.#reading.pop()) {
      const memory = feed.giveBack()
      if (memory === undefined || memory.size > keptBytesMax) continue
      if (this.#memories.length < keptCountMax) this.#memories.push(memory)
    }
  }
}

/** The position at which a cursor begins that starts with a record. Rejects as the log does. */
export async function placeOf(log: Log, { number }: Shard, start: Start): Promise<Place> {
  return { ...start, position: await seek(log, number, start.next) }
}

async function seek(log: Log, shard: ShardId, next: SequenceNumber): Promise<Position> {
  try {
    return await log.seek(shard, next)
  } catch (error) {
    const gap = gapOf(asMillraceError(error))
    if (gap === undefined) throw error
    // The first read tells of what is missing.
    return gap.start
  }
}

/** When the batch at a position arrived; `otherwise` where there is none that can be read. */
function arrivalOf(feed: ShardFeed, position: Position, otherwise: number): number {
  try {
    const { bytes } = feed.read(position, 1)
    if (bytes.length === 0) return otherwise
    const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length)
    return Number(view.getBigUint64(batchLayout.arrivalAt))
  } catch {
    return otherwise
  }
}
