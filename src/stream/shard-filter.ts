/** Which shards of a stream a listing shows. Pure. */

import { MillraceError } from '../errors.ts'
import { type Shard, shardIndexOf } from '../shard/shard.ts'
import type { ShardFilter } from '../wire/operations.ts'
import type { Stream } from './stream.ts'

/** Those whose records can still be there, by index: all that a listing without a filter shows. */
export function unexpiredShards(stream: Stream, horizonMillis: number): Shard[] {
  return filterShards(stream, { type: 'FROM_TRIM_HORIZON' }, horizonMillis)
}

/**
 * The shards that a filter lets pass, by index. Records are not kept that arrived before
 * `horizonMillis` (Retention.horizonOf). Throws a MillraceError, INVALID_ARGUMENT, when the
 * filter lacks what its type needs, or has what it does not take; SHARD_NOT_FOUND, for a shard id
 * that is none.
 */
export function filterShards(stream: Stream, filter: ShardFilter, horizonMillis: number): Shard[] {
  checkExtras(filter)
  // There was nothing before there was a stream.
  const horizon = Math.max(stream.createdMillis, horizonMillis)
  const from = Math.max(filter.timestamp ?? horizon, horizon)
  const passes = passing(filter, stream.name, from)
  return [...stream.shards.values()].filter((it) => isOpenAfter(it, horizon) && passes(it))
}

function passing(filter: ShardFilter, stream: string, from: number): (shard: Shard) => boolean {
  switch (filter.type) {
    case 'FROM_TRIM_HORIZON':
    case 'FROM_TIMESTAMP':
      return (shard) => isOpenAfter(shard, from)
    case 'AT_TRIM_HORIZON':
    case 'AT_TIMESTAMP':
      return (shard) => shard.createdMillis <= from && isOpenAfter(shard, from)
    case 'AT_LATEST':
      return (shard) => shard.closing === undefined
    case 'AFTER_SHARD_ID': {
      const after = shardIndexOf(filter.shardId ?? '', stream)
      return (shard) => shard.index > after
    }
  }
}

/** A shard that was closed at a time was not open at it any more: its children were. */
function isOpenAfter(shard: Shard, millis: number): boolean {
  return shard.closing === undefined || shard.closing.closedMillis > millis
}

function checkExtras(filter: ShardFilter): void {
  const takesTimestamp = filter.type === 'FROM_TIMESTAMP' || filter.type === 'AT_TIMESTAMP'
  const takesShardId = filter.type === 'AFTER_SHARD_ID'
  checkExtra(filter.type, 'timestamp', takesTimestamp, filter.timestamp !== undefined)
  checkExtra(filter.type, 'shardId', takesShardId, filter.shardId !== undefined)
}

function checkExtra(type: string, name: string, wanted: boolean, given: boolean): void {
  if (wanted === given) return
  throw new MillraceError(
    'INVALID_ARGUMENT',
    `A shard filter of type ${type} ${wanted ? 'needs a' : 'takes no'} ${name}.`,
  )
}
