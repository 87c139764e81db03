// Streams of which a tenant fills one shard, by the hash keys that it chooses. Who keeps its pace puts
// into the upper half of the hash keys, as the hash of its key is there.
import { encode } from '@msgpack/msgpack'
import { TortureFailure } from '../lib/failure.mjs'
import { metricOf } from './resources.mjs'
import { createStream, PUT_RECORDS } from './wire-client.mjs'

const ENABLE_MONITORING = 0x2b
const SHARD_ID = 'shardId-00000000000'
const LOWER = new Uint8Array(16)
const UPPER = new Uint8Array(16).fill(0xff)
// What a shard of Kinesis takes of records in a second.
const SHARD_RECORDS_PER_SECOND = 1000
// ... by the clock of the one who asks, at the least.
const FULL_SHARE = 0.8
// Of each put, so that also one who waits for a slow disk fills a shard.
const PUT_COUNT = 20

// A shard of a PROVISIONED stream takes no more than its limit, whoever comes: others are at the other
// one. One of an ON_DEMAND stream takes what the machine does, and others are at the same one.
export const HOT_SHARDS = new Map([
  ['hot-provisioned', { mode: 'PROVISIONED', hashKey: LOWER, hot: 0, isBounded: true }],
  ['hot-on-demand', { mode: 'ON_DEMAND', hashKey: UPPER, hot: 1, isBounded: false }],
])

// Each is a stream of the same name as its flood, which tells the figures of its shards.
export async function createHotShards(client) {
  for (const [stream, { mode }] of HOT_SHARDS) {
    await createStream(client, stream, 2, mode)
    await client.ask(ENABLE_MONITORING, stream, ['ALL'])
  }
}

// The frame of a put of a tenant.
export function putToHotShard(stream, id) {
  const records = new Array(PUT_COUNT).fill(['chosen', new Uint8Array(100)])
  const hashKeys = new Array(PUT_COUNT).fill(HOT_SHARDS.get(stream).hashKey)
  return encode([PUT_RECORDS, id, stream, null, records, hashKeys, 0, 0])
}

// That the shard was full, and that the metrics say which one it was.
export async function judgeHotShard(stream, { port, options, done, seconds }) {
  const { hot, isBounded } = HOT_SHARDS.get(stream)
  const figure = (name, shard) =>
    metricOf(
      port,
      `shard_append_${name}_total{stream="${stream}",shard="${SHARD_ID}${shard}"}`,
      options,
    )
  const [records, others] = [await figure('records', hot), await figure('records', 1 - hot)]
  const [refused, spared] = [hot, 1 - hot].map((it) => figure('throttled_records', it))
  const told =
    `${records} records of ${done} puts in shard ${hot}, ${await refused} refused there; ` +
    `${others} in the other one, ${await spared} refused`
  const isFull = isBounded
    ? (await refused) > 0 && records >= SHARD_RECORDS_PER_SECOND * seconds * FULL_SHARE
    : (await refused) === 0 && records >= done * PUT_COUNT
  if (!isFull || (await spared) > 0) throw new TortureFailure(`${stream}: ${told}`)
}
