/** ListShards: the shards that a filter lets pass, in pages. */

import { MillraceError } from '../../errors.ts'
import { listShardsPageDefault } from '../../limits.ts'
import { describeShard, shardIndexOf } from '../../shard/shard.ts'
import { filterShards } from '../../stream/shard-filter.ts'
import type { Stream } from '../../stream/stream.ts'
import {
  type AnswerOf,
  type listShards,
  type RequestOf,
  type ShardFilter,
  shardFilterTypes,
} from '../../wire/operations.ts'
import { allRights, type Caller, requireRight } from '../caller.ts'
import type { BrokerContext } from '../context.ts'
import { decodeNextToken, encodeNextToken } from '../next-token.ts'

const tokenKind = 'ListShards'

type Request = RequestOf<typeof listShards>

/** Where a listing begins or goes on. */
interface Listing {
  readonly stream: Stream
  readonly filter: ShardFilter
  readonly afterIndex: number
}

export async function handleListShards(
  context: BrokerContext,
  request: Request,
  caller: Caller,
): Promise<AnswerOf<typeof listShards>> {
  const { nextToken, streamName } = request
  // Before it is known whether there is such a stream.
  if (streamName !== undefined) requireRight(caller, allRights, tokenKind, streamName)
  const listing =
    nextToken === undefined
      ? begin(context, request)
      : resume(context, nextToken, withoutToken(request))
  const { stream, filter, afterIndex } = listing
  requireRight(caller, allRights, tokenKind, stream.name)
  const limit = Math.min(request.maxResults ?? listShardsPageDefault, listShardsPageDefault)
  const horizon = context.streams.retention.horizonOf(stream)
  const rest = filterShards(stream, filter, horizon).filter((it) => it.index > afterIndex)
  const page = rest.slice(0, limit)
  const last = page.at(-1)
  if (rest.length <= limit || last === undefined) return { shards: page.map(describeShard) }
  const token = encode(context, { stream, filter, afterIndex: last.index })
  return { shards: page.map(describeShard), nextToken: token }
}

function withoutToken(request: Request): boolean {
  const { streamName, exclusiveStartShardId, streamCreationTimestamp, shardFilter } = request
  return (
    streamName === undefined &&
    exclusiveStartShardId === undefined &&
    streamCreationTimestamp === undefined &&
    shardFilter === undefined
  )
}

function refuse(text: string): never {
  throw new MillraceError('INVALID_ARGUMENT', text)
}

function begin(context: BrokerContext, request: Request): Listing {
  const { streamName, exclusiveStartShardId, streamCreationTimestamp, shardFilter } = request
  if (streamName === undefined) refuse('Either NextToken or StreamName should be provided.')
  if (exclusiveStartShardId !== undefined && shardFilter?.type === 'AFTER_SHARD_ID') {
    refuse('ExclusiveStartShardId and a shard filter of type AFTER_SHARD_ID cannot be combined.')
  }
  const stream = context.streams.requireCreatedAt(streamName, streamCreationTimestamp)
  return {
    stream,
    filter: shardFilter ?? { type: 'FROM_TRIM_HORIZON' },
    afterIndex:
      exclusiveStartShardId === undefined ? -1 : shardIndexOf(exclusiveStartShardId, streamName),
  }
}

/** A token is that of one stream, and not of a later one of its name. */
function resume(context: BrokerContext, nextToken: string, isAlone: boolean): Listing {
  if (!isAlone) refuse('NextToken and StreamName cannot be provided together.')
  const values = decodeNextToken(context.sealer, tokenKind, nextToken, context.now())
  const [name, number, afterIndex, filterType, timestamp, shardId] = values
  const stream = context.streams.requireNumbered(String(name), Number(number))
  const filter: ShardFilter = {
    type: shardFilterTypes[Number(filterType)] ?? refuse('Invalid NextToken.'),
    ...(timestamp === null ? {} : { timestamp: Number(timestamp) }),
    ...(shardId === null ? {} : { shardId: String(shardId) }),
  }
  return { stream, filter, afterIndex: Number(afterIndex) }
}

function encode(context: BrokerContext, { stream, filter, afterIndex }: Listing): string {
  const { type, timestamp, shardId } = filter
  const values = [
    stream.name,
    stream.number,
    afterIndex,
    shardFilterTypes.indexOf(type),
    timestamp === undefined ? null : BigInt(timestamp),
    shardId ?? null,
  ]
  return encodeNextToken(context.sealer, tokenKind, values, context.now())
}
