/** The shards that a command reads. */

import type { Client } from '../client/client.ts'
import { MillraceError } from '../errors.ts'
import type { ShardDescription } from '../wire/operations.ts'
import { CliError } from './exit-codes.ts'
import type { From, Resource } from './positions.ts'

/** All shards of a stream, page after page. Rejects: STREAM_NOT_FOUND. */
export async function allShards(client: Client, stream: string): Promise<ShardDescription[]> {
  const shards: ShardDescription[] = []
  let nextToken: string | undefined
  do {
    const page = await client.listShards(stream, nextToken === undefined ? {} : { nextToken })
    shards.push(...page.shards)
    nextToken = page.nextToken
  } while (nextToken !== undefined)
  return shards
}

/**
 * The shard that the resource names, else all. A sequence number belongs to one shard, which has to
 * be named where there are several: else a CliError, USAGE. Rejects: SHARD_NOT_FOUND.
 */
export async function shardsToRead(
  client: Client,
  { stream, shardId }: Resource,
  from: From,
): Promise<ShardDescription[]> {
  const shards = await allShards(client, stream)
  if (shardId !== undefined) {
    const named = shards.filter((it) => it.shardId === shardId)
    if (named.length > 0) return named
    throw new MillraceError('SHARD_NOT_FOUND', `Stream ${stream} has no shard ${shardId}.`)
  }
  if (from.kind !== 'sequenceNumber' || shards.length === 1) return shards
  throw new CliError(
    'USAGE',
    `${stream} has ${shards.length} shards, and a sequence number belongs to one`,
    { hint: `Name the shard: ${stream}/0@${from.sequenceNumber}` },
  )
}
