/** What a subscription can be told. */

import { MillraceError } from '../errors.ts'
import { subscriptionCreditBytesDefault, subscriptionCreditBytesMax } from '../limits.ts'
import { checkInteger } from '../wire/arguments.ts'
import type { SliceOptions } from '../wire/slice-cursor.ts'
import { type ReadFrom, startOf } from './reader-options.ts'
import type { ShardPosition } from './resume-token.ts'
import type { StreamStart } from './subscription-target.ts'

export interface SubscribeOptions extends SliceOptions {
  /**
   * `latest`, which is what comes from now on; `oldest`, which is all there is; a time (a Date or
   * ms since 1970); or the resume token of a batch. `latest` unless it is given.
   */
  readonly from?: ReadFrom | undefined
  /**
   * The ids of the shards to be read, with those that follow them; all unless it is given. With a
   * resume token those alone are read on that are in it.
   */
  readonly shards?: readonly string[] | undefined
  /** A registered consumer, which has the shards for itself; none unless it is given. */
  readonly consumer?: string | undefined
  /**
   * Bytes that the broker may send ahead of the loop: 1 to 1,048,576, and 262,144 by default. A
   * loop that is slow leaves everything else in the log of the broker. With `shards` it is shared
   * among them.
   */
  readonly creditBytes?: number | undefined
  /** Where records are missing: `deliver` a batch that says so (the default), or `throw`. */
  readonly onGap?: 'deliver' | 'throw' | undefined
  /** Ends the iteration, which rejects with the signal's reason. */
  readonly signal?: AbortSignal | undefined
}

export interface SubscribeSettings {
  readonly start: StreamStart | { readonly positions: readonly ShardPosition[] }
  readonly shards: readonly string[] | undefined
  readonly consumerName: string | undefined
  readonly creditBytes: number
  readonly onGap: 'deliver' | 'throw'
  readonly verify: boolean
}

/** Throws a RangeError or a TypeError, and a MillraceError, INVALID_ARGUMENT, for `from`. */
export function subscribeSettings(
  options: SubscribeOptions,
  streamName: string,
): SubscribeSettings {
  const { creditBytes = subscriptionCreditBytesDefault, shards, consumer, onGap } = options
  checkInteger('creditBytes', creditBytes, 1, subscriptionCreditBytesMax)
  if (shards?.length === 0) {
    throw new MillraceError('INVALID_ARGUMENT', 'shards: wanted the id of a shard at least')
  }
  const start = startOf(options.from ?? 'latest', streamName)
  return {
    start: 'start' in start ? start.start : start,
    shards,
    consumerName: consumer,
    creditBytes,
    onGap: onGap ?? 'deliver',
    verify: options.verify ?? false,
  }
}
