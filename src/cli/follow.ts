/** The records of a stream from a place on, those that come included. */

import { setTimeout as sleep } from 'node:timers/promises'
import type { Client } from '../client/client.ts'
import { encodeResumeToken } from '../client/resume-token.ts'
import type { Gap } from '../client/shard-cursor.ts'
import { mergeByArrival } from './merge.ts'
import type { From, Resource } from './positions.ts'
import type { PrintedRecord } from './record-text.ts'
import { ShardPages } from './shard-pages.ts'
import { shardsToRead } from './stream-shards.ts'

/** Pages of all shards are held at the same time while they are merged. */
const pageRecordsMax = 1000
const idleMillis = 100

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
  const { client, resource, from, signal, onGap } = options
  const { stream } = resource
  const shards = await shardsToRead(client, resource, from)
  const all = shards.map(
    (shard) =>
      new ShardPages({ client, stream, shard, from, recordsMax: pageRecordsMax, signal, onGap }),
  )
  if (resource.shardId !== undefined) {
    for (const it of all) yield* followShard(it, signal)
    return
  }
  // What `latest` means is settled before anything else is waited for.
  await Promise.all(all.map((it) => it.pin()))
  const now = Date.now()
  yield* mergeByArrival(all.map((it) => it.pagesUntil(now)))
  const token = encodeResumeToken(
    stream,
    all.map((it) => it.position),
  )
  const reader = client.read(stream, { from: token, signal })
  reader.on('gap', onGap)
  for await (const batch of reader) {
    const { shardId } = batch
    for (const { sequenceNumber, partitionKey, arrivalMillis, data } of batch) {
      yield { shardId, sequenceNumber, partitionKey, arrivalMillis, data }
    }
  }
}

async function* followShard(pages: ShardPages, signal: AbortSignal): AsyncGenerator<PrintedRecord> {
  while (!pages.isClosed) {
    const page = await pages.page()
    yield* page
    if (page.length === 0) await sleep(idleMillis)
    signal.throwIfAborted()
  }
}
