/**
 * Where a reader of a stream is, as one opaque text. Shards are named by their numbers, which are
 * never given twice: a stream that was created again has other ones, and its records are never
 * taken for those of the old one.
 */

import { MillraceError } from '../errors.ts'
import { shardCountMax } from '../limits.ts'
import { packMessage, unpackMessage } from '../wire/codec.ts'
import { list, optional, parseFields, struct, text, u64, uint } from '../wire/fields.ts'

const version = 1

/** How far one shard has been read. */
export interface ShardPosition {
  readonly shardNumber: bigint
  readonly shardId: string
  /** The sequence number that comes next; undefined where the shard has been read to its end. */
  readonly next?: bigint | undefined
}

const position = struct('ShardPosition', {
  shardNumber: u64(),
  shardId: text({ max: 128 }),
  next: optional(u64()),
})

const fields = {
  version: uint(version, version),
  streamName: text({ max: 128 }),
  positions: list(position, { max: shardCountMax }),
}

/** Writes a token. */
export function encodeResumeToken(streamName: string, positions: readonly ShardPosition[]): string {
  const rows = positions.map((it) => position.pack(it))
  const bytes = packMessage([version, streamName, rows])
  const characters = Array.from(bytes, (it) => String.fromCharCode(it)).join('')
  return btoa(characters).replaceAll('+', '-').replaceAll('/', '_').replaceAll('=', '')
}

/** Reads a token of this stream. Throws a MillraceError, INVALID_ARGUMENT, for anything else. */
export function decodeResumeToken(token: string, streamName: string): readonly ShardPosition[] {
  const decoded = parseToken(token)
  if (decoded.streamName === streamName) return decoded.positions
  throw new MillraceError(
    'INVALID_ARGUMENT',
    `from: the resume token is one of stream ${decoded.streamName}, not of ${streamName}`,
  )
}

function parseToken(token: string) {
  try {
    const characters = atob(token.replaceAll('-', '+').replaceAll('_', '/'))
    const bytes = Uint8Array.from(characters, (it) => it.charCodeAt(0))
    const values = unpackMessage(bytes, { elementsMax: shardCountMax })
    return parseFields(fields, values, { start: 0, path: 'token', extras: 'refused' })
  } catch (cause) {
    throw noToken(cause)
  }
}

function noToken(cause: unknown): MillraceError {
  const text = "from: wanted 'latest', 'oldest', a time, or a resume token as a batch has one"
  return new MillraceError('INVALID_ARGUMENT', text, { cause })
}
