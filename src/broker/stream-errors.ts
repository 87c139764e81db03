/** Errors about streams and shards, in the words of Kinesis. */

import { MillraceError } from '../errors.ts'
import { parseShardId } from '../wire/shard-id-text.ts'

/** The index that a shard id names. Throws a MillraceError, SHARD_NOT_FOUND. */
export function shardIndexOf(shardId: string, streamName: string): number {
  const index = parseShardId(shardId)
  if (index !== undefined) return index
  throw new MillraceError(
    'SHARD_NOT_FOUND',
    `Could not find shard ${shardId} in stream ${streamName}.`,
  )
}

export function streamNotFound(streamName: string): MillraceError {
  return new MillraceError('STREAM_NOT_FOUND', `Stream ${streamName} not found.`)
}

/** The error of what is no MillraceError is a bug. */
export function asMillraceError(error: unknown): MillraceError {
  if (error instanceof MillraceError) return error
  const text = error instanceof Error ? error.message : String(error)
  return new MillraceError('INTERNAL', `internal error: ${text}`, { cause: error })
}
