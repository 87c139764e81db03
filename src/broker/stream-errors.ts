/** Errors that several requests answer, and what errors of the log mean. */

import { type ErrorCode, MillraceError } from '../errors.ts'
import type { Position } from '../log/log.ts'
import type { Shard } from '../shard/shard.ts'
import type { Stream } from '../stream/stream.ts'
import { shardIdText } from '../wire/shard-id-text.ts'
import type { GapReason } from '../wire/structures.ts'

/** Positions between which nothing can be read; of what was trimmed both are where it ends. */
export interface LogGap {
  readonly reason: GapReason
  readonly start: Position
  readonly end: Position
}

const reasons: ReadonlyMap<ErrorCode, GapReason> = new Map([
  ['SEQUENCE_NUMBER_TRIMMED', 'TRIMMED'],
  ['LOG_CORRUPT', 'CORRUPT'],
])

export function streamNotFound(streamName: string): MillraceError {
  return new MillraceError('STREAM_NOT_FOUND', `Stream ${streamName} not found.`)
}

/** Throws a MillraceError, SHARD_NOT_FOUND. */
export function requireShard(stream: Stream, index: number): Shard {
  const shard = stream.shards.get(index)
  if (shard !== undefined) return shard
  throw new MillraceError(
    'SHARD_NOT_FOUND',
    `Shard ${shardIdText(index)} in stream ${stream.name} does not exist`,
  )
}

/** The error of what is no MillraceError is a bug. */
export function asMillraceError(error: unknown): MillraceError {
  if (error instanceof MillraceError) return error
  const text = error instanceof Error ? error.message : String(error)
  return new MillraceError('INTERNAL', `internal error: ${text}`, { cause: error })
}

/** The gap behind which reading goes on after an error of the log; undefined: there is none. */
export function gapOf({ code, range }: MillraceError): LogGap | undefined {
  const reason = reasons.get(code)
  if (reason === undefined || range === undefined) return undefined
  return { reason, start: range.start as Position, end: range.end as Position }
}
