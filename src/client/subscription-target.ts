/** What a subscription is of, and how it is asked for: at first, and to go on. Pure. */

import { subscribeToShard, subscribeToStream } from '../wire/subscription-operations.ts'
import type { SubscribeRequest } from './push-exchange.ts'
import type { ShardPosition } from './resume-token.ts'
import type { ShardStart } from './shard-cursor.ts'

/** Where all shards of a stream are begun. */
export type StreamStart = Exclude<ShardStart, { readonly type: 'AT_SEQUENCE_NUMBER' }>

export interface SubscriptionTarget {
  readonly streamName: string
  readonly consumerName: string | undefined
  readonly leaseCounter: bigint | undefined
  /** Undefined for the whole stream. */
  readonly shardId: string | undefined
  /** The request at these positions, of which there are none at first; undefined at the end. */
  request(positions: readonly ShardPosition[], creditBytes: number): SubscribeRequest | undefined
}

/** All shards of a stream. */
export function streamTarget(
  streamName: string,
  consumerName: string | undefined,
  start: StreamStart,
): SubscriptionTarget {
  const { type: startingPositionType } = start
  const timestamp = 'timestamp' in start ? start.timestamp : undefined
  return {
    streamName,
    consumerName,
    leaseCounter: undefined,
    shardId: undefined,
    request: (positions, creditBytes) => ({
      operation: subscribeToStream,
      request: {
        streamName,
        consumerName,
        startingPositionType,
        timestamp,
        creditBytes,
        resume: positions.map(({ shardNumber, next }) => ({
          shardNumber,
          nextSequenceNumber: next,
        })),
      },
    }),
  }
}

/** One shard, under a lease of a consumer where there is one. */
export function shardTarget(
  streamName: string,
  shardId: string,
  start: ShardStart,
  reader: { readonly consumerName?: string | undefined; readonly leaseCounter?: bigint } = {},
): SubscriptionTarget {
  const { consumerName, leaseCounter } = reader
  return {
    streamName,
    consumerName,
    leaseCounter,
    shardId,
    request: ([position], creditBytes) => {
      if (position !== undefined && position.next === undefined) return undefined
      const at = position?.next === undefined ? start : startAt(position.next)
      return {
        operation: subscribeToShard,
        request: {
          streamName,
          shardId,
          consumerName,
          leaseCounter,
          startingPositionType: at.type,
          startingSequenceNumber: 'next' in at ? at.next : undefined,
          timestamp: 'timestamp' in at ? at.timestamp : undefined,
          creditBytes,
        },
      }
    },
  }
}

export function startAt(next: bigint): ShardStart {
  return { type: 'AT_SEQUENCE_NUMBER', next }
}
