/** From one of the five types of a starting position to the number where reading begins. */

import { MillraceError } from '../errors.ts'
import type { Log, Position, SequenceNumber, ShardStats } from '../log/log.ts'
import { type Shard, shardIndexOf } from '../shard/shard.ts'
import { headersAlone } from '../stream/shard-trims.ts'
import type { Stream } from '../stream/stream.ts'
import type { Streams } from '../stream/streams.ts'
import type { ShardIteratorType } from '../wire/operations.ts'
import { shardIdText } from '../wire/shard-id-text.ts'
import { requireShard } from './stream-errors.ts'

export interface StartRequest {
  /** The operation, as errors name it. */
  readonly operation: string
  readonly streamName: string
  readonly type: ShardIteratorType
  readonly startingSequenceNumber?: SequenceNumber | bigint | undefined
  readonly timestamp?: number | undefined
}

export interface Start {
  /** The first record that is asked for. */
  readonly wanted: SequenceNumber
  /** The first that there is, or will be: higher where those before it were trimmed. */
  readonly next: SequenceNumber
}

/** A shard that can be read. Throws a MillraceError: STREAM_NOT_FOUND, SHARD_NOT_FOUND. */
export function servedShard(
  streams: Streams,
  streamName: string,
  shardId: string,
): { readonly stream: Stream; readonly shard: Shard } {
  const index = shardIndexOf(shardId, streamName)
  const stream = streams.serving(streamName)
  if (stream !== undefined) return { stream, shard: requireShard(stream, index) }
  throw new MillraceError(
    'STREAM_NOT_FOUND',
    `Shard ${shardIdText(index)} in stream ${streamName} does not exist`,
  )
}

function refuse(text: string): never {
  throw new MillraceError('INVALID_ARGUMENT', text)
}

/**
 * Checks what a type needs besides, and what it does not take. Throws a MillraceError,
 * INVALID_ARGUMENT.
 */
export function checkStart(request: StartRequest, nowMillis: number): void {
  const { type, startingSequenceNumber, timestamp } = request
  const takesNumber = type === 'AT_SEQUENCE_NUMBER' || type === 'AFTER_SEQUENCE_NUMBER'
  const hasNumber = startingSequenceNumber !== undefined
  if (takesNumber !== hasNumber) {
    refuse(
      'Must either specify (1) AT_SEQUENCE_NUMBER or AFTER_SEQUENCE_NUMBER and ' +
        'StartingSequenceNumber or (2) TRIM_HORIZON or LATEST and no StartingSequenceNumber. ' +
        `Request specified ${type} and ${hasNumber ? 'also a' : 'no'} StartingSequenceNumber.`,
    )
  }
  if (type !== 'AT_TIMESTAMP') {
    if (timestamp !== undefined) refuse(`An iterator of type ${type} takes no timestamp.`)
    return
  }
  if (timestamp === undefined) {
    refuse(
      'Must specify timestampInMillis parameter for iterator of type AT_TIMESTAMP. ' +
        'Current request has no timestamp parameter.',
    )
  }
  if (timestamp > nowMillis) {
    refuse(
      'The timestampInMillis parameter cannot be greater than the currentTimestampInMillis. ' +
        `timestampInMillis: ${timestamp}, currentTimestampInMillis: ${nowMillis}`,
    )
  }
}

/**
 * Where a request that `checkStart` has passed begins in a shard. Rejects: INVALID_ARGUMENT,
 * SEQUENCE_NUMBER_IN_FUTURE, and what the log rejects with.
 */
export async function findStart(log: Log, request: StartRequest, shard: Shard): Promise<Start> {
  const { firstSequenceNumber, committedNextSequenceNumber } = log.readableRange(shard.number)
  switch (request.type) {
    case 'TRIM_HORIZON':
      return at(firstSequenceNumber)
    case 'LATEST':
      return at(committedNextSequenceNumber)
    case 'AT_TIMESTAMP':
      return at(await findTime(log, shard, request.timestamp ?? 0))
    case 'AT_SEQUENCE_NUMBER':
    case 'AFTER_SEQUENCE_NUMBER': {
      const given = request.startingSequenceNumber ?? 0n
      checkNumber(request, shard, given, committedNextSequenceNumber)
      const wanted = request.type === 'AT_SEQUENCE_NUMBER' ? given : given + 1n
      const start = smaller(wanted, committedNextSequenceNumber)
      // Numbers that were trimmed are read from the horizon.
      return {
        wanted: start,
        next: start < firstSequenceNumber ? at(firstSequenceNumber).next : start,
      }
    }
  }
}

function at(number: bigint): Start {
  return { wanted: number as SequenceNumber, next: number as SequenceNumber }
}

function smaller(a: bigint, b: bigint): SequenceNumber {
  return (a < b ? a : b) as SequenceNumber
}

/**
 * A number that no record of the shard has had yet is refused, not waited for: whoever holds one
 * has it from somewhere else, or from before a loss, and would miss what comes until then.
 */
function checkNumber(request: StartRequest, shard: Shard, given: bigint, next: bigint): void {
  const text =
    `StartingSequenceNumber ${given} used in ${request.operation} on ` +
    `shard ${shardIdText(shard.index)} in stream ${request.streamName} is invalid`
  if (given < shard.startingSequenceNumber) {
    refuse(`${text} because it did not come from this stream.`)
  }
  const isAt = request.type === 'AT_SEQUENCE_NUMBER'
  const last = shard.closing?.endingSequenceNumber ?? 0n
  if (given < next || given <= last || (isAt && given === next)) return
  throw new MillraceError(
    'SEQUENCE_NUMBER_IN_FUTURE',
    `${text}: the last record of the shard has the number ${next - 1n}.`,
  )
}

/** The first record that arrived at `millis` or later; the next one to come where there is none. */
async function findTime(log: Log, shard: Shard, millis: number): Promise<SequenceNumber> {
  const position = await log.seekTime(shard.number, millis)
  const stats = await log.shardStats(shard.number)
  const damaged = stats.damaged.find((it) => it.start <= position && position < it.end)
  if (damaged !== undefined) return damaged.expectedSequenceNumber as SequenceNumber
  return await sequenceNumberAt(log, shard, position, stats)
}

async function sequenceNumberAt(
  log: Log,
  shard: Shard,
  position: Position,
  stats: ShardStats,
): Promise<SequenceNumber> {
  // One batch at least is in the slice.
  const slice = await log.read(shard.number, { position }, 1, headersAlone)
  if (slice.bytes.length > 0) return slice.firstSequenceNumber
  return stats.committedNextSequenceNumber as SequenceNumber
}
