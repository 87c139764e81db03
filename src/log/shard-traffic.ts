/** What has come into the shards, as native tells it. */

import { type ShardTraffic, shardId } from './log.ts'

const wordsPerShard = 4

/** Of each shard its id, records, bytes and throttled records. */
export function decodeTraffic(words: BigUint64Array): ShardTraffic[] {
  const traffic: ShardTraffic[] = []
  for (let at = 0; at < words.length; at += wordsPerShard) {
    traffic.push({
      shard: shardId(words[at] as bigint),
      records: Number(words[at + 1]),
      bytes: Number(words[at + 2]),
      throttledRecords: Number(words[at + 3]),
    })
  }
  return traffic
}
