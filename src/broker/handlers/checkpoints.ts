/** GetCheckpoints and SetCheckpoint. PROTOCOL.md R48. */

import { MillraceError } from '../../errors.ts'
import { type Shard, shardIndexOf } from '../../shard/shard.ts'
import type { CheckpointPlace } from '../../stream/consumer-table.ts'
import type { getCheckpoints, setCheckpoint } from '../../wire/consumer-operations.ts'
import type { SequenceNumber } from '../../wire/numbers.ts'
import type { AnswerOf, RequestOf } from '../../wire/operations.ts'
import { shardIdText } from '../../wire/shard-id-text.ts'
import type { BrokerContext } from '../context.ts'
import { requireShard } from '../stream-errors.ts'

export async function handleGetCheckpoints(
  { consumers }: BrokerContext,
  { streamName, consumerName }: RequestOf<typeof getCheckpoints>,
): Promise<AnswerOf<typeof getCheckpoints>> {
  const { stream, consumer } = consumers.find(streamName, consumerName)
  const checkpoints = [...stream.shards.values()].flatMap(({ index, number }) => {
    const place = consumer.checkpoints.get(index)
    if (place === undefined) return []
    const row = { shardId: shardIdText(index), shardNumber: number }
    return [place === 'finished' ? row : { ...row, nextSequenceNumber: place }]
  })
  return { checkpoints }
}

export async function handleSetCheckpoint(
  context: BrokerContext,
  request: RequestOf<typeof setCheckpoint>,
): Promise<AnswerOf<typeof setCheckpoint>> {
  const { streamName, consumerName, shardId, leaseCounter } = request
  const { stream, consumer } = context.consumers.find(streamName, consumerName)
  const shard = requireShard(stream, shardIndexOf(shardId, streamName))
  const place = placeOf(context, shard, request.nextSequenceNumber)
  const wanted = { shardIndex: shard.index, place, leaseCounter }
  await context.consumers.checkpoints.set(consumer, wanted)
  return {}
}

/** Refuses what no reader of the shard can have got to. */
function placeOf({ log }: BrokerContext, shard: Shard, next: bigint | undefined): CheckpointPlace {
  const id = shardIdText(shard.index)
  if (next === undefined) {
    if (shard.closing !== undefined) return 'finished'
    throw new MillraceError(
      'INVALID_ARGUMENT',
      `Shard ${id} is open: nextSequenceNumber is missing, and only a closed shard has an end.`,
    )
  }
  if (next < shard.startingSequenceNumber) {
    throw new MillraceError(
      'INVALID_ARGUMENT',
      `The sequence number ${next} is none of shard ${id}, which begins at ` +
        `${shard.startingSequenceNumber}.`,
    )
  }
  const { committedNextSequenceNumber } = log.readableRange(shard.number)
  const end = (shard.closing?.endingSequenceNumber ?? 0n) + 1n
  if (next <= committedNextSequenceNumber || next <= end) return next as SequenceNumber
  throw new MillraceError(
    'SEQUENCE_NUMBER_IN_FUTURE',
    `A checkpoint of shard ${id} at ${next}: its last record has the number ` +
      `${committedNextSequenceNumber - 1n}.`,
  )
}
