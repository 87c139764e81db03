/** GetShardIterator: from one of the five types to the sequence number where reading begins. */

import { MillraceError } from '../../errors.ts'
import type { Position, SequenceNumber, ShardStats } from '../../log/log.ts'
import { type Shard, shardIndexOf } from '../../shard/shard.ts'
import { encodeShardIterator } from '../../shard/shard-iterator.ts'
import type { AnswerOf, getShardIterator, RequestOf } from '../../wire/operations.ts'
import { shardIdText } from '../../wire/shard-id-text.ts'
import type { BrokerContext } from '../context.ts'

type Request = RequestOf<typeof getShardIterator>

export async function handleGetShardIterator(
  context: BrokerContext,
  request: Request,
): Promise<AnswerOf<typeof getShardIterator>> {
  const { streamName, shardId } = request
  const index = shardIndexOf(shardId, streamName)
  const stream = context.streams.serving(streamName)
  const shard = stream?.shards.get(index)
  if (shard === undefined) {
    throw new MillraceError(
      stream === undefined ? 'STREAM_NOT_FOUND' : 'SHARD_NOT_FOUND',
      `Shard ${shardIdText(index)} in stream ${streamName} does not exist`,
    )
  }
  const issuedMillis = context.now()
  checkExtras(request, issuedMillis)
  const sequenceNumber = await findStart(context, request, shard)
  const iterator = { shard: shard.number, sequenceNumber, issuedMillis }
  return { shardIterator: encodeShardIterator(context.sealer, iterator) }
}

function refuse(text: string): never {
  throw new MillraceError('INVALID_ARGUMENT', text)
}

/** What a type needs besides, and what it does not take. */
function checkExtras(request: Request, nowMillis: number): void {
  const { shardIteratorType: type, startingSequenceNumber, timestamp } = request
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

async function findStart(
  context: BrokerContext,
  request: Request,
  shard: Shard,
): Promise<SequenceNumber> {
  const stats = await context.log.shardStats(shard.number)
  const { firstSequenceNumber, committedNextSequenceNumber } = stats
  switch (request.shardIteratorType) {
    case 'TRIM_HORIZON':
      return firstSequenceNumber as SequenceNumber
    case 'LATEST':
      return committedNextSequenceNumber as SequenceNumber
    case 'AT_TIMESTAMP':
      return await findTime(context, shard, request.timestamp ?? 0, stats)
    case 'AT_SEQUENCE_NUMBER':
    case 'AFTER_SEQUENCE_NUMBER': {
      const given = request.startingSequenceNumber ?? 0n
      checkNumber(request, shard, given, committedNextSequenceNumber)
      const start = request.shardIteratorType === 'AT_SEQUENCE_NUMBER' ? given : given + 1n
      // Numbers that were trimmed are read from the horizon.
      if (start < firstSequenceNumber) return firstSequenceNumber as SequenceNumber
      return smaller(start, committedNextSequenceNumber) as SequenceNumber
    }
  }
}

function smaller(a: bigint, b: bigint): bigint {
  return a < b ? a : b
}

/**
 * A number that no record of the shard has had yet is refused, not waited for: whoever holds one
 * has it from somewhere else, or from before a loss, and would miss what comes until then.
 */
function checkNumber(request: Request, shard: Shard, given: bigint, next: bigint): void {
  const text =
    `StartingSequenceNumber ${given} used in GetShardIterator on ` +
    `shard ${shardIdText(shard.index)} in stream ${request.streamName} is invalid`
  if (given < shard.startingSequenceNumber) {
    refuse(`${text} because it did not come from this stream.`)
  }
  const isAt = request.shardIteratorType === 'AT_SEQUENCE_NUMBER'
  const last = shard.closing?.endingSequenceNumber ?? 0n
  if (given < next || given <= last || (isAt && given === next)) return
  throw new MillraceError(
    'SEQUENCE_NUMBER_IN_FUTURE',
    `${text}: the last record of the shard has the number ${next - 1n}.`,
  )
}

/** The first record that arrived at `millis` or later; the next one to come where there is none. */
async function findTime(
  { log }: BrokerContext,
  shard: Shard,
  millis: number,
  stats: ShardStats,
): Promise<SequenceNumber> {
  const position = await log.seekTime(shard.number, millis)
  const damaged = stats.damaged.find((it) => it.start <= position && position < it.end)
  if (damaged !== undefined) return damaged.expectedSequenceNumber as SequenceNumber
  return await sequenceNumberAt(log, shard, position, stats)
}

async function sequenceNumberAt(
  log: BrokerContext['log'],
  shard: Shard,
  position: Position,
  stats: ShardStats,
): Promise<SequenceNumber> {
  // One batch at least is in the slice, and no copy is made of it.
  const slice = await log.read(shard.number, { position }, 1, { borrow: true })
  if (slice.bytes.length > 0) return slice.firstSequenceNumber
  return stats.committedNextSequenceNumber as SequenceNumber
}
