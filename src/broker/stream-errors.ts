/** Errors that several requests answer. */

import { MillraceError } from '../errors.ts'
import type { Shard } from '../shard/shard.ts'
import type { Stream } from '../stream/stream.ts'
import { shardIdText } from '../wire/shard-id-text.ts'

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
