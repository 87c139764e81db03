/**
 * What carries subscriptions: a socket, or a broker in the same process. No promises: what a broker
 * pushes is handed on in the very moment in which it comes, so that nothing can overtake.
 */

import type { MillraceError } from '../errors.ts'
import type { AnswerOf, RequestOf } from '../wire/operations.ts'
import type { gap, heartbeat, Push, PushOf, shardEnded } from '../wire/pushes.ts'
import type { SubscribedShard } from '../wire/structures.ts'
import type { subscribeToShard, subscribeToStream } from '../wire/subscription-operations.ts'
import type { Exchange } from '../wire/verbs.ts'

/** The two ways to subscribe. */
export type SubscribeRequest =
  | {
      readonly operation: typeof subscribeToShard
      readonly request: RequestOf<typeof subscribeToShard>
    }
  | {
      readonly operation: typeof subscribeToStream
      readonly request: RequestOf<typeof subscribeToStream>
    }

export type SubscribeAnswer = AnswerOf<typeof subscribeToShard> | AnswerOf<typeof subscribeToStream>

/** What a push says to a subscription that is known. */
export type Told<It extends Push> = Omit<PushOf<It>, 'subscriptionId'>

/** Is told of one subscription, in order. It throws for bytes alone that cannot be understood. */
export interface PushListener {
  /** It is there; `shards` are those that are sent at once. */
  started(shards: readonly SubscribedShard[]): void
  shardStarted(shard: SubscribedShard): void
  /** Whole batches of a shard, which belong to the listener from now on. */
  slice(shardNumber: number, bytes: Uint8Array): void
  heartbeat(fields: Told<typeof heartbeat>): void
  gap(fields: Told<typeof gap>): void
  shardEnded(fields: Told<typeof shardEnded>): void
  /**
   * The last that is said: it was refused, or has ended, with an error or, where everything has
   * been sent, without one. `lost`: only its connection is gone, and another one will be there.
   */
  ended(error: MillraceError | undefined, how?: 'lost'): void
}

/** Whether subscriptions can share a connection. */
export interface LineClaim {
  readonly streamName: string
  /** All shards of the stream where it is missing. */
  readonly shardId: string | undefined
  readonly creditBytes: number
  /** Who takes what comes. What one loop holds up it holds up for itself alone. */
  readonly loop: object
}

/** Carries one subscription after the other. */
export interface SubscriptionLine {
  /** Subscribes, as soon as there is a connection. The one before has ended. */
  subscribe(wanted: SubscribeRequest, listener: PushListener): void
  /** Returns credit of the subscription that runs; without effect where none does. */
  giveBack(bytes: number): void
  /** Ends the subscription: its listener hears nothing more. */
  unsubscribe(): void
  /** Ends the line, with its subscription. */
  close(): void
}

export interface PushExchange extends Exchange {
  openLine(claim: LineClaim): SubscriptionLine
}
