/** What a worker of a consumer can be told. */

import { MillraceError } from '../errors.ts'
import {
  leaseMillisHighest,
  leasesPerRequestMax,
  sliceBytesMax,
  subscriptionCreditBytesMax,
} from '../limits.ts'
import { checkInteger } from '../wire/arguments.ts'
import type { SliceOptions } from '../wire/slice-cursor.ts'
import { startOf } from './reader-options.ts'
import type { StreamStart } from './subscription-target.ts'

export interface ConsumeOptions extends SliceOptions {
  /** The name of the consumer: workers with the same one share the shards of the stream. */
  readonly consumer: string
  /**
   * Where shards begin that the consumer has no checkpoint of: `latest`, which is what has come
   * since the consumer was registered (the default); `oldest`; or a time. A gap tells what is lost
   * behind a checkpoint, and of a shard that others were split or merged into.
   */
  readonly from?: 'latest' | 'oldest' | { readonly time: Date | number } | undefined
  /** Whether the consumer is registered when it is missing; true unless it is given. */
  readonly register?: boolean | undefined
  /**
   * Names this worker; no two that run at the same time may have the same. Drawn at random unless
   * it is given. One that comes back under its name has its leases at once.
   */
  readonly workerId?: string | undefined
  /**
   * The longest time that a shard has no owner after the last sign of life of a worker that died,
   * in ms: 1000 to 300,000, and 10,000 by default. A worker that says nothing for three quarters of
   * it loses its shards to others, as soon as they ask; the rest is for their asking.
   */
  readonly leaseMillis?: number | undefined
  /** Shards of this worker at most: 1 to 1000; its share unless it is given. */
  readonly leasesMax?: number | undefined
  /**
   * `automatic`: a batch counts as worked off when the next one is asked for, which is the default;
   * `manual`: when `checkpoint` is called.
   */
  readonly checkpoints?: 'automatic' | 'manual' | undefined
  /** How often automatic checkpoints are written, in ms; 1000 by default. */
  readonly checkpointMillis?: number | undefined
  /** Bytes that the broker may send ahead of the loop of each shard: 65,536 by default. */
  readonly creditBytes?: number | undefined
  /** Where records are missing: `deliver` a batch that says so (the default), or `throw`. */
  readonly onGap?: 'deliver' | 'throw' | undefined
  /** Ends the iteration, which rejects with the signal's reason. */
  readonly signal?: AbortSignal | undefined
}

export interface ConsumeSettings {
  readonly consumerName: string
  /** Undefined: with what has come since the consumer was registered. */
  readonly start: StreamStart | undefined
  readonly register: boolean
  readonly workerId: string
  /** How long a lease is held without a renewal. */
  readonly heldMillis: number
  readonly leasesMax: number | undefined
  readonly isAutomatic: boolean
  readonly checkpointMillis: number
  readonly creditBytes: number
  readonly onGap: 'deliver' | 'throw'
  readonly verify: boolean
}

const leaseMillisDefault = 10_000
const leaseMillisMin = 1000
/**
 * Leases are held for this part of the time within which a shard is to have its next owner. Who
 * takes over may first have to wait for a tenth of what is held (PROTOCOL.md R51); what is left is
 * for timers that are late, and for a request with its sync.
 */
const heldShare = 3 / 4
const checkpointMillisDefault = 1000
const checkpointMillisMax = 3_600_000

/** Throws a RangeError or a TypeError, and a MillraceError, INVALID_ARGUMENT, for `from`. */
export function consumeSettings(
  options: ConsumeOptions,
  newWorkerId: () => string,
): ConsumeSettings {
  const { leaseMillis = leaseMillisDefault, checkpointMillis = checkpointMillisDefault } = options
  const { creditBytes = sliceBytesMax, leasesMax, from = 'latest' } = options
  checkInteger('leaseMillis', leaseMillis, leaseMillisMin, leaseMillisHighest)
  checkInteger('checkpointMillis', checkpointMillis, 1, checkpointMillisMax)
  checkInteger('creditBytes', creditBytes, 1, subscriptionCreditBytesMax)
  if (leasesMax !== undefined) checkInteger('leasesMax', leasesMax, 1, leasesPerRequestMax)
  return {
    consumerName: options.consumer,
    start: from === 'latest' ? undefined : consumerStart(from),
    register: options.register ?? true,
    workerId: options.workerId ?? newWorkerId(),
    heldMillis: Math.floor(leaseMillis * heldShare),
    leasesMax,
    isAutomatic: (options.checkpoints ?? 'automatic') === 'automatic',
    checkpointMillis,
    creditBytes,
    onGap: options.onGap ?? 'deliver',
    verify: options.verify ?? false,
  }
}

function consumerStart(from: Exclude<ConsumeOptions['from'], undefined>): StreamStart {
  const isWord = typeof from === 'string'
  const start = isWord && from !== 'oldest' ? undefined : startOf(from, '')
  if (start !== undefined && 'start' in start) return start.start
  throw new MillraceError(
    'INVALID_ARGUMENT',
    `from is ${String(from)}, a consumer begins at 'latest', 'oldest' or a time; ` +
      'it goes on at its checkpoints',
  )
}
