/** The place of a subscription in one shard: all that a slow reader costs. */

import type { MillraceError } from '../../errors.ts'
import type { Position, SequenceNumber, ShardId, Slice } from '../../log/log.ts'
import { shardIdText } from '../../wire/shard-id-text.ts'
import type { GapReason, SubscribedShard } from '../../wire/structures.ts'
import type { StreamCounts } from '../stream-counters.ts'
import { gapOf } from '../stream-errors.ts'
import type { Queued } from './linked-queue.ts'
import type { Pace } from './pacer.ts'
import type { ShardFeed } from './shard-feed.ts'
import type { Subscription } from './subscription.ts'

export class ShardCursor implements Queued<ShardCursor> {
  readonly subscription: Subscription
  readonly feed: ShardFeed
  /** Of the shard within its stream. */
  readonly index: number
  readonly counts: StreamCounts
  /** Where the next slice begins. */
  position: Position
  /** The record that is sent next. */
  next: SequenceNumber
  /** Bytes of the next batch, as far as they are known to be more than could be sent. */
  need = 0
  /** Why records before `position` are missing that were not sent. */
  lost: GapReason | undefined
  /** How quickly it may send; undefined where the stream has no such limit. */
  pace: Pace | undefined
  /** Whether the subscriber is to be told when everything has been sent. */
  owesCaughtUp = true
  /** Where it waits: in its feed for records, or in its subscription for its turn. */
  queue: object | undefined
  ahead: ShardCursor | undefined
  behind: ShardCursor | undefined

  constructor(
    subscription: Subscription,
    feed: ShardFeed,
    index: number,
    counts: StreamCounts,
    start: { readonly position: Position; readonly next: SequenceNumber },
  ) {
    this.subscription = subscription
    this.feed = feed
    this.index = index
    this.counts = counts
    this.position = start.position
    this.next = start.next
  }

  get shard(): ShardId {
    return this.feed.shard
  }

  /** Goes on behind a slice. */
  pass({ nextPosition, nextSequenceNumber }: Slice): void {
    this.need = 0
    this.position = nextPosition
    this.next = nextSequenceNumber
  }

  /** Goes on behind what cannot be read any more; false: that is not what an error says. */
  passOver(error: MillraceError): boolean {
    const gap = gapOf(error)
    if (gap === undefined || gap.end <= this.position) return false
    this.lost = gap.reason
    this.position = gap.end
    return true
  }
}

export function subscribedShardOf({ index, shard, next }: ShardCursor): SubscribedShard {
  return { shardId: shardIdText(index), shardNumber: shard, firstSequenceNumber: next }
}
