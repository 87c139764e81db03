/** The records of a stream from a place on, those that come included. */

import type { Client } from '../client/client.ts'
import { encodeResumeToken } from '../client/resume-token.ts'
import type { Gap } from '../client/shard-cursor.ts'
import type { SubscribeOptions } from '../client/subscribe-options.ts'
import type { ShardDescription } from '../wire/operations.ts'
import { mergeByArrival } from './merge.ts'
import type { From, Resource } from './positions.ts'
import type { PrintedRecord } from './record-text.ts'
import { ShardPages } from './shard-pages.ts'
import { shardsToRead } from './stream-shards.ts'

/** Pages of all shards are held at the same time while they are merged. */
const pageRecordsMax = 1000

export interface FollowOptions {
  readonly client: Client
  readonly resource: Resource
  readonly from: From
  readonly signal: AbortSignal
  readonly onGap: (gap: Gap) => void
}

/**
 * What is there already is merged by time of arrival, over all shards; what comes later comes as it
 * arrives. Goes on across lost connections. Throws what does not heal, and the signal's reason.
 */
export async function* follow(options: FollowOptions): AsyncGenerator<PrintedRecord> {
  const { client, resource, from } = options
  const shards = await shardsToRead(client, resource, from)
  const [only] = shards
  if (only !== undefined && (resource.shardId !== undefined || shards.length === 1)) {
    yield* pushed(options, { from: startIn(only, options), shards: [only.shardId] })
  } else if (from.kind === 'latest') {
    yield* pushed(options, { from: 'latest' })
  } else {
    yield* backlogFirst(options, shards)
  }
}

async function* backlogFirst(
  options: FollowOptions,
  shards: readonly ShardDescription[],
): AsyncGenerator<PrintedRecord> {
  const { client, resource, from, signal, onGap } = options
  const { stream } = resource
  const all = shards.map(
    (shard) =>
      new ShardPages({ client, stream, shard, from, recordsMax: pageRecordsMax, signal, onGap }),
  )
  await Promise.all(all.map((it) => it.pin()))
  const now = Date.now()
  yield* mergeByArrival(all.map((it) => it.pagesUntil(now)))
  const positions = all.map((it) => it.position)
  yield* pushed(options, { from: encodeResumeToken(stream, positions) })
}

/** Where to begin in one shard. */
function startIn(
  { shardId, shardNumber }: ShardDescription,
  { resource, from }: FollowOptions,
): NonNullable<SubscribeOptions['from']> {
  if (from.kind === 'time') return { time: from.millis }
  if (from.kind !== 'sequenceNumber') return from.kind
  const position = { shardId, shardNumber, next: from.sequenceNumber }
  return encodeResumeToken(resource.stream, [position])
}

async function* pushed(
  { client, resource, signal, onGap }: FollowOptions,
  options: SubscribeOptions,
): AsyncGenerator<PrintedRecord> {
  const subscription = client.subscribe(resource.stream, { ...options, signal })
  subscription.on('gap', onGap)
  for await (const batch of subscription) {
    const { shardId } = batch
    for (const { sequenceNumber, partitionKey, arrivalMillis, data } of batch) {
      yield { shardId, sequenceNumber, partitionKey, arrivalMillis, data }
    }
  }
}
