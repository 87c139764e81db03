/** Which keys the load of a shard comes from: some of its last records, spread over the time. */

import { createHash } from 'node:crypto'
import type { Log, ShardId } from '../../log/log.ts'
import { SliceCursor } from '../../wire/slice-cursor.ts'
import { readable } from '../shard-trims.ts'
import type { ReadPoint } from './centre.ts'
import type { ShardCapacity } from './settings.ts'

/** Places of the log that are looked at; few records of each, as each costs the event loop 2 us. */
const places = 8
const recordsPerPlace = 64
const bytesPerPlace = 32 * 1024

/**
 * Of records that arrived between two times, in milliseconds since 1970. What is damaged is left
 * out. Rejects as the log does.
 */
export async function readLoadPoints(
  log: Log,
  shard: ShardId,
  { fromMillis, toMillis }: { readonly fromMillis: number; readonly toMillis: number },
  capacity: ShardCapacity,
): Promise<ReadPoint[]> {
  const points: ReadPoint[] = []
  let last: bigint | undefined
  for (let place = 0; place < places; place += 1) {
    const millis = Math.floor(fromMillis + ((toMillis - fromMillis) * place) / places)
    const position = await log.seekTime(shard, millis)
    if (position === last) continue
    last = position
    const slice = await readable(log.read(shard, { position }, bytesPerPlace))
    if (slice !== undefined) addPoints(points, slice.bytes, capacity)
  }
  return points
}

function addPoints(points: ReadPoint[], bytes: Uint8Array, capacity: ShardCapacity): void {
  const cursor = new SliceCursor(bytes)
  for (let left = recordsPerPlace; left > 0 && cursor.next(); left -= 1) {
    const { partitionKey, data } = cursor
    const payloadBytes = Buffer.byteLength(partitionKey ?? '') + data.length
    const weight = 1 / capacity.shardRecordsPerSecond + payloadBytes / capacity.shardBytesPerSecond
    points.push({
      hashKey: partitionKey === undefined ? undefined : hashKeyOf(partitionKey),
      weight,
    })
  }
}

/** Where a record goes that has no explicit hash key. */
function hashKeyOf(partitionKey: string): bigint {
  return BigInt(`0x${createHash('md5').update(partitionKey).digest('hex')}`)
}
