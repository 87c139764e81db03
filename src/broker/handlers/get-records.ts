/** GetRecords: the records at an iterator, as whole batches, and the next iterator. */

import { MillraceError } from '../../errors.ts'
import { getRecordsRecordsMax } from '../../limits.ts'
import type { Slice } from '../../log/log.ts'
import { payloadBytes } from '../../log/payload-bytes.ts'
import { childShards, type Shard } from '../../shard/shard.ts'
import {
  decodeShardIterator,
  encodeShardIterator,
  type ShardIterator,
} from '../../shard/shard-iterator.ts'
import type { Stream } from '../../stream/stream.ts'
import type { SequenceNumber } from '../../wire/numbers.ts'
import type { AnswerOf, getRecords, RequestOf } from '../../wire/operations.ts'
import { shardIdText } from '../../wire/shard-id-text.ts'
import { type Caller, requireRight } from '../caller.ts'
import type { BrokerContext } from '../context.ts'
import { getRight } from '../operation-rights.ts'
import { cutSlice } from '../record-slice.ts'
import { countRefused, type StreamCounts, shardReadsOf } from '../stream-counters.ts'
import { asMillraceError, gapOf } from '../stream-errors.ts'

type Request = RequestOf<typeof getRecords>
type Answer = AnswerOf<typeof getRecords>

export async function handleGetRecords(
  context: BrokerContext,
  request: Request,
  caller: Caller,
): Promise<Answer> {
  const now = context.now()
  const iterator = decodeShardIterator(context.sealer, request.shardIterator, now)
  const found = context.streams.findShard(iterator.shard)
  if (found === undefined) {
    throw new MillraceError(
      'SHARD_NOT_FOUND',
      'The shard of this iterator does not exist: its stream was deleted, or it has expired.',
    )
  }
  const { stream, shard } = found
  requireRight(caller, getRight, 'GetRecords', stream.name)
  const limit = request.limit ?? getRecordsRecordsMax
  try {
    context.readLimits.admit(stream, shard)
    const slice = await readSlice(context, iterator, stream, shard, limit)
    return answerOf(context, iterator, stream, shard, slice, limit, now)
  } catch (error) {
    const counts = context.counters.of(stream.name)
    const { code } = asMillraceError(error)
    countRefused(counts.readRefused, code, 1)
    if (code === 'THROUGHPUT_EXCEEDED') shardReadsOf(counts, shard.index).throttled += 1
    throw error
  }
}

async function readSlice(
  context: BrokerContext,
  { sequenceNumber }: ShardIterator,
  stream: Stream,
  shard: Shard,
  limit: number,
): Promise<Slice> {
  const { log, pace } = context
  const bytesMax = pace.bytesFor(shard.number, limit)
  try {
    return await log.read(shard.number, { sequenceNumber }, bytesMax)
  } catch (error) {
    const gap = gapOf(asMillraceError(error))
    if (gap === undefined) throw error
    if (gap.reason === 'CORRUPT') {
      throw await damagedRecords(context, stream, shard, gap.start, error)
    }
    // What was trimmed since the iterator was made is passed over.
    return await log.read(shard.number, { position: gap.start }, bytesMax)
  }
}

/** Names the records that are lost, so that a reader can go on behind them. */
async function damagedRecords(
  { log }: BrokerContext,
  stream: Stream,
  shard: Shard,
  position: bigint,
  cause: unknown,
): Promise<MillraceError> {
  const { damaged } = await log.shardStats(shard.number)
  const damage = damaged.find((it) => it.start <= position && position < it.end)
  if (damage === undefined) return asMillraceError(cause)
  const { expectedSequenceNumber: start, nextSequenceNumber: end } = damage
  return new MillraceError(
    'LOG_CORRUPT',
    `Records ${start} to ${end - 1n} of shard ${shardIdText(shard.index)} ` +
      `in stream ${stream.name} are damaged on disk. ` +
      `Go on with an iterator AT_SEQUENCE_NUMBER ${end}.`,
    { cause, range: { start, end } },
  )
}

function answerOf(
  context: BrokerContext,
  iterator: ShardIterator,
  stream: Stream,
  shard: Shard,
  slice: Slice,
  limit: number,
  now: number,
): Answer {
  const wanted = iterator.sequenceNumber
  const skip = Math.max(0, Number(wanted - slice.firstSequenceNumber))
  const { bytes, recordCount, lastArrivalMillis } = cutSlice(slice.bytes, skip, limit)
  const recordBytes = recordCount === 0 ? 0 : payloadBytes(slice.bytes, skip, recordCount)
  const start = firstOf(slice, wanted)
  const next = (start + BigInt(recordCount)) as SequenceNumber
  const isAtTip = next >= slice.committedNextSequenceNumber
  const isAtEnd = isAtTip && shard.closing !== undefined
  context.pace.learn(shard.number, slice.bytes.length, slice.recordCount)
  context.readLimits.charge(stream, shard, recordBytes)
  // Never 0 while there is something to read, whatever the clocks say.
  const millisBehindLatest = isAtTip ? 0 : Math.max(1, now - lastArrivalMillis)
  const counts = context.counters.of(stream.name)
  counts.readBytes += bytes.length
  countRead(counts, shard, recordCount, recordBytes, millisBehindLatest)
  return {
    ...(isAtEnd ? {} : { nextShardIterator: nextIterator(context, iterator, next, now) }),
    millisBehindLatest,
    childShards: isAtEnd ? childShards(stream.shards.values(), shard) : [],
    firstSequenceNumber: start,
    recordCount,
    slice: bytes,
  }
}

function countRead(
  counts: StreamCounts,
  shard: Shard,
  records: number,
  bytes: number,
  millisBehindLatest: number,
): void {
  counts.readRecords += records
  const reads = shardReadsOf(counts, shard.index)
  reads.records += records
  reads.bytes += bytes
  reads.iteratorAgeMillis = millisBehindLatest
}

/** The first record of an answer; without a batch the one to come: those before were trimmed. */
function firstOf(slice: Slice, wanted: SequenceNumber): SequenceNumber {
  const { bytes, firstSequenceNumber, committedNextSequenceNumber } = slice
  const there = bytes.length === 0 ? committedNextSequenceNumber : firstSequenceNumber
  return there > wanted ? there : wanted
}

function nextIterator(
  { sealer }: BrokerContext,
  { shard }: ShardIterator,
  sequenceNumber: SequenceNumber,
  issuedMillis: number,
): string {
  return encodeShardIterator(sealer, { shard, sequenceNumber, issuedMillis })
}
