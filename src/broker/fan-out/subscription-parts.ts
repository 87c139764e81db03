/** What a subscription is made of, and what it asks of those around it. */

import { errorTable, type MillraceError } from '../../errors.ts'
import type { gap, PushOf } from '../../wire/pushes.ts'
import type { ChildShard, ShardProgress } from '../../wire/structures.ts'
import type { CreditShare } from './credit-shares.ts'
import type { ProgressFrames } from './progress-frames.ts'
import type { ShardCursor } from './shard-cursor.ts'
import type { SharedWay } from './shared-way.ts'
import type { Subscription } from './subscription.ts'

/** What a subscription asks of those around it. */
export interface SubscriptionOwner {
  readonly progress: ProgressFrames
  /** It has something to send and may: now, as the log moved, or as soon as it is its turn. */
  ready(subscription: Subscription, isLive: boolean): void
  /** Sends it a slice, at `flush` at the latest. */
  send(subscription: Subscription, slice: Uint8Array): void
  /** Sends all slices that are still to be sent, of all subscriptions. */
  flush(): void
  /** The children of a shard that the log has closed; undefined while they are not known. */
  childrenOf(cursor: ShardCursor): readonly ChildShard[] | undefined
  /** How long ago the record arrived that is sent next; 0 where everything has been sent. */
  millisBehind(cursor: ShardCursor): number
  /** Whether a cursor with a pace has sent so much that it has to wait. */
  waits(cursor: ShardCursor): boolean
  /** Keeps a cursor until it may go on: it is released then. */
  hold(cursor: ShardCursor): void
  /** A cursor with a pace sends so many bytes. */
  sends(cursor: ShardCursor, bytes: number): void
  /** The cursor is of no use any more. */
  free(cursor: ShardCursor): void
  /** Told of what a subscription ends with. */
  report(error: MillraceError): void
}

/** Which shards a subscription is about, and what becomes of it when one was sent to its end. */
export interface Scope {
  /** Whether a shard, by its index, is sent or will be. */
  covers(index: number): boolean
  finished(subscription: Subscription, index: number): void
}

export interface SubscriptionParts {
  readonly id: number
  readonly streamName: string
  readonly streamNumber: number
  readonly consumerName: string | undefined
  readonly leaseCounter: bigint | undefined
  readonly creditBytes: number
  readonly scope: Scope
  readonly way: SharedWay
  readonly share: CreditShare
  readonly owner: SubscriptionOwner
}

export type GapFields = Omit<PushOf<typeof gap>, 'subscriptionId'>

/** What a heartbeat says of a shard. */
export function progressOf(cursor: ShardCursor, owner: SubscriptionOwner): ShardProgress {
  const { shard: shardNumber, next: nextSequenceNumber } = cursor
  return { shardNumber, nextSequenceNumber, millisBehindLatest: owner.millisBehind(cursor) }
}

/** Up to where one shard has been sent, one of which there is more where there is such a shard. */
export function whereItStands({ id, cursors }: Subscription): string {
  const all = [...cursors.values()]
  const cursor = all.find((it) => it.position < it.feed.end) ?? all[0]
  const others = all.length > 1 ? `, and ${all.length - 1} more` : ''
  const shard = cursor && `, shard ${cursor.shard}: nextSequenceNumber=${cursor.next}${others}`
  return `subscription ${id}${shard ?? ''}`
}

/** What is told of the error that a subscription ends with. */
export function endOf({ code, message, retryAfterMs }: MillraceError) {
  // What is wrong within the broker is nothing for clients.
  const text = code === 'INTERNAL' ? errorTable[code].message : message
  return { code, message: text, ...(retryAfterMs === undefined ? {} : { retryAfterMs }) }
}
