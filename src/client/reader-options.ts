/** What a reader can be told. */

import { MillraceError } from '../errors.ts'
import { getRecordsRecordsMax } from '../limits.ts'
import { checkInteger } from '../wire/arguments.ts'
import type { ShardFilter } from '../wire/operations.ts'
import type { SliceOptions } from '../wire/slice-cursor.ts'
import { decodeResumeToken, type ShardPosition } from './resume-token.ts'
import type { StreamStart } from './subscription-target.ts'

/** Where to begin: with what comes from now on, with all there is, at a time, or after a batch. */
export type ReadFrom = 'latest' | 'oldest' | { readonly time: Date | number } | (string & {})

export interface ReadOptions extends SliceOptions {
  /**
   * `latest`, which is what comes from now on; `oldest`, which is all there is; a time (a Date or
   * ms since 1970); or the resume token of a batch. `latest` unless it is given.
   */
  readonly from?: ReadFrom | undefined
  /** Ends the iteration, which rejects with the signal's reason. */
  readonly signal?: AbortSignal | undefined
  /** The ids of the shards to be read, with those that follow them; all unless it is given. */
  readonly shards?: readonly string[] | undefined
  /** Where records are missing: `deliver` a batch that says so (the default), or `throw`. */
  readonly onGap?: 'deliver' | 'throw' | undefined
  /** Records of a batch at most: 1 to 10,000, which is the default. */
  readonly batchRecordsMax?: number | undefined
  /** How long a shard without new records is left alone at most, in ms: 200 by default. */
  readonly idleMillisMax?: number | undefined
}

/** Where a reader begins: in shards of a filter, all in the same way, or where a token says. */
export type ReaderStart =
  | { readonly filter: ShardFilter; readonly start: StreamStart }
  | { readonly positions: readonly ShardPosition[] }

export interface ReaderSettings {
  readonly start: ReaderStart
  readonly shards: readonly string[] | undefined
  readonly onGap: 'deliver' | 'throw'
  readonly batchRecordsMax: number
  readonly idleMillisMax: number
  readonly verify: boolean
}

const idleMillisDefault = 200
const dayMillis = 86_400_000

/** Throws a RangeError or a TypeError, and a MillraceError, INVALID_ARGUMENT, for `from`. */
export function readerSettings(options: ReadOptions, streamName: string): ReaderSettings {
  const { batchRecordsMax = getRecordsRecordsMax, idleMillisMax = idleMillisDefault } = options
  checkInteger('batchRecordsMax', batchRecordsMax, 1, getRecordsRecordsMax)
  checkInteger('idleMillisMax', idleMillisMax, 1, dayMillis)
  return {
    start: startOf(options.from ?? 'latest', streamName),
    shards: options.shards,
    onGap: options.onGap ?? 'deliver',
    batchRecordsMax,
    idleMillisMax,
    verify: options.verify ?? false,
  }
}

/** Throws a MillraceError, INVALID_ARGUMENT. */
export function startOf(from: ReadFrom, streamName: string): ReaderStart {
  if (from === 'latest') return { filter: { type: 'AT_LATEST' }, start: { type: 'LATEST' } }
  if (from === 'oldest') {
    return { filter: { type: 'AT_TRIM_HORIZON' }, start: { type: 'TRIM_HORIZON' } }
  }
  if (typeof from === 'string') return { positions: decodeResumeToken(from, streamName) }
  const timestamp = Math.trunc(Number(from.time))
  if (!Number.isSafeInteger(timestamp) || timestamp < 0) {
    throw new MillraceError(
      'INVALID_ARGUMENT',
      `from.time is ${String(from.time)}, it must be a Date or milliseconds since 1970`,
    )
  }
  const type = 'AT_TIMESTAMP'
  return { filter: { type, timestamp }, start: { type, timestamp } }
}
