/** GetShardIterator: a starting position as a text that GetRecords takes. */

import { encodeShardIterator } from '../../shard/shard-iterator.ts'
import type { AnswerOf, getShardIterator, RequestOf } from '../../wire/operations.ts'
import type { BrokerContext } from '../context.ts'
import { checkStart, findStart, servedShard } from '../start-position.ts'

export async function handleGetShardIterator(
  context: BrokerContext,
  request: RequestOf<typeof getShardIterator>,
): Promise<AnswerOf<typeof getShardIterator>> {
  const { shardIteratorType: type, shardId, ...rest } = request
  const { shard } = servedShard(context.streams, request.streamName, shardId)
  const issuedMillis = context.now()
  const start = { ...rest, operation: 'GetShardIterator', type }
  checkStart(start, issuedMillis)
  const { next } = await findStart(context.log, start, shard)
  const iterator = { shard: shard.number, sequenceNumber: next, issuedMillis }
  return { shardIterator: encodeShardIterator(context.sealer, iterator) }
}
