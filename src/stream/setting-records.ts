/** The records of the catalog that say what is set of a stream, and which shards it has no more. */

import type { ShardId } from '../wire/numbers.ts'
import { type CatalogRecord, shardsPerRecordMax } from './catalog-records.ts'
import { chunks } from './chunks.ts'
import type { Stream } from './stream.ts'

export function retentionRecord(stream: Stream): CatalogRecord {
  const { number: streamNumber, retentionPeriodHours, retentionBytes, horizonMillis } = stream
  return { kind: 'retentionSet', streamNumber, retentionPeriodHours, retentionBytes, horizonMillis }
}

export function settingsRecord(stream: Stream): CatalogRecord {
  const { number: streamNumber, mode: streamMode, recordBytesMax, modeSwitches } = stream
  return { kind: 'settingsSet', streamNumber, streamMode, recordBytesMax, modeSwitches }
}

export function encryptionRecord(stream: Stream): CatalogRecord {
  const { number: streamNumber, encryption, encryptionChanges } = stream
  const key = { keyId: encryption?.id, keyCheck: encryption?.check ?? 0n }
  return { kind: 'encryptionSet', streamNumber, ...key, encryptionChanges }
}

/** The records by which shards leave their stream. */
export function expiryRecords(
  streamNumber: number,
  shardIndexes: readonly number[],
  shardNumbers: readonly ShardId[],
): CatalogRecord[] {
  const indexes = [...chunks(shardIndexes, shardsPerRecordMax)]
  return Array.from(chunks(shardNumbers, shardsPerRecordMax), (part, at) => ({
    kind: 'shardsExpired' as const,
    streamNumber,
    shardIndexes: indexes[at] ?? [],
    shardNumbers: part,
  }))
}
