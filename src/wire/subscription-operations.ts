/**
 * Operations that begin and end subscriptions. What the broker sends to a subscription is in
 * pushes.ts.
 */

import { shardsPerSubscriptionMax, subscriptionCreditBytesMax } from '../limits.ts'
import { list, optional, u64, uint, word } from './fields.ts'
import { operation } from './operation.ts'
import {
  consumerName,
  millis,
  resumePosition,
  shardIdField,
  shardIteratorTypes,
  streamName,
  streamStartTypes,
  subscribedShard,
  subscriptionId,
} from './structures.ts'

/** How many bytes of slices may be on their way before the client has returned any. */
const creditBytes = uint(1, subscriptionCreditBytesMax)

export const subscribeToShard = operation(
  0x28,
  'SubscribeToShard',
  {
    streamName,
    shardId: shardIdField,
    /** One active subscription of a consumer and a shard; without, as many as there are clients. */
    consumerName: optional(consumerName),
    startingPositionType: word(shardIteratorTypes),
    startingSequenceNumber: optional(u64()),
    timestamp: optional(millis),
    creditBytes,
    /** Of the lease under which a worker reads: takes the subscription over at once. */
    leaseCounter: optional(u64()),
  },
  { subscriptionId, shard: subscribedShard },
)

export const subscribeToStream = operation(
  0x29,
  'SubscribeToStream',
  {
    streamName,
    consumerName: optional(consumerName),
    startingPositionType: word(streamStartTypes),
    timestamp: optional(millis),
    creditBytes,
    /** Shards that have been read, of a subscription that goes on; empty for one that begins. */
    resume: list(resumePosition, { max: shardsPerSubscriptionMax }),
  },
  { subscriptionId, shards: list(subscribedShard, { max: shardsPerSubscriptionMax }) },
)

export const unsubscribe = operation(0x2a, 'Unsubscribe', { subscriptionId }, {})
