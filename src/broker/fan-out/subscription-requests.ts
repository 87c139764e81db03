/** What is asked of the requests of subscriptions before anything begins. Pure. */

import { MillraceError } from '../../errors.ts'
import { shardsPerSubscriptionMax } from '../../limits.ts'
import type { Shard } from '../../shard/shard.ts'
import type { Stream } from '../../stream/stream.ts'
import type { Operation, RequestOf } from '../../wire/operation.ts'
import {
  subscribeToShard,
  subscribeToStream,
  unsubscribe,
} from '../../wire/subscription-operations.ts'
import type { StartRequest } from '../start-position.ts'

export function isSubscriptionOperation({ opcode }: Operation): boolean {
  return (
    opcode === subscribeToShard.opcode ||
    opcode === subscribeToStream.opcode ||
    opcode === unsubscribe.opcode
  )
}

/** A shard that follows one that was read is wanted from its first record on, trimmed or not. */
export function resumeAt(
  { operation, streamName }: StartRequest,
  { index, startingSequenceNumber: first }: Shard,
  next: ReadonlyMap<number, bigint>,
): StartRequest {
  return {
    operation,
    streamName,
    type: 'AT_SEQUENCE_NUMBER',
    startingSequenceNumber: next.get(index) ?? first,
  }
}

export function checkResume(resume: RequestOf<typeof subscribeToStream>['resume']): void {
  const numbers = new Set(resume.map((it) => it.shardNumber))
  if (numbers.size === resume.length) return
  throw new MillraceError('INVALID_ARGUMENT', 'resume: a shard stands in it more than once')
}

export function tooManyShards({ name }: Stream, count: number): MillraceError {
  return new MillraceError(
    'LIMIT_EXCEEDED',
    `stream ${name} has ${count} shards to begin with, a subscription at most ` +
      `${shardsPerSubscriptionMax} (shardsPerSubscriptionMax); subscribe to shards instead`,
  )
}
