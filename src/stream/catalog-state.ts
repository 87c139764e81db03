/** What the records of the catalog add up to. Pure: it takes records, one after the other. */

import type { Shard } from '../shard/shard.ts'
import type { SequenceNumber, ShardId } from '../wire/numbers.ts'
import {
  type CatalogRecord,
  type CatalogShard,
  shardsPerRecordMax,
  unreadable,
} from './catalog-records.ts'
import { chunks } from './chunks.ts'
import { ConsumerTable, consumerRecords } from './consumer-table.ts'
import type { StoredTime } from './retention-clock.ts'
import {
  encryptionRecord,
  expiryRecords,
  retentionRecord,
  settingsRecord,
} from './setting-records.ts'
import type { Reshard, Stream } from './stream.ts'

/** Deleted streams of which the last sequence number is kept by name. */
const retiredNamesMax = 1000

type Change<Kind extends CatalogRecord['kind']> = Extract<CatalogRecord, { kind: Kind }>

export class CatalogState {
  readonly #streams = new Map<number, Stream>()
  readonly #byName = new Map<string, Stream>()
  /** In the order in which they were deleted. */
  readonly #retired = new Map<string, bigint>()
  readonly consumers: ConsumerTable = new ConsumerTable()
  /** Shards that no stream has any more and the log may still have, with the stream of each. */
  readonly #expired = new Map<ShardId, number>()
  #sequenceFloor = 1n
  #nextStreamNumber = 1
  #retentionTime: StoredTime | undefined

  get streams(): Iterable<Stream> {
    return this.#streams.values()
  }

  get nextStreamNumber(): number {
    return this.#nextStreamNumber
  }

  get expiredShards(): Iterable<ShardId> {
    return this.#expired.keys()
  }

  /** How far the retention clock had come when it was last written down. */
  get retentionTime(): StoredTime | undefined {
    return this.#retentionTime
  }

  /** The log has them no more: no snapshot need say so. */
  forgetExpired(numbers: readonly ShardId[]): void {
    for (const number of numbers) this.#expired.delete(number)
  }

  byName(name: string): Stream | undefined {
    return this.#byName.get(name)
  }

  byNumber(number: number): Stream | undefined {
    return this.#streams.get(number)
  }

  /** Where the sequence numbers of a new stream of this name begin. */
  firstSequenceNumber(name: string): SequenceNumber {
    return (this.#retired.get(name) ?? this.#sequenceFloor) as SequenceNumber
  }

  /** Throws a MillraceError, CATALOG_UNREADABLE, for a record that does not follow the others. */
  apply(record: CatalogRecord): void {
    switch (record.kind) {
      case 'header':
        throw unreadable('a header stands in the middle of it')
      case 'snapshotEnd':
        this.#nextStreamNumber = record.nextStreamNumber
        this.#sequenceFloor = record.sequenceFloor
        break
      case 'streamCreated':
        this.#create(record)
        break
      case 'shardsWritten':
        this.#writeShards(record)
        break
      case 'statusSet':
        this.#setStatus(record)
        break
      case 'tagsSet': {
        const tags = new Map(record.tags.map(({ key, value }) => [key, value]))
        this.#put({ ...this.#require(record.streamNumber), tags })
        break
      }
      case 'retentionSet': {
        const { retentionPeriodHours, retentionBytes, horizonMillis } = record
        const stream = this.#require(record.streamNumber)
        this.#put({ ...stream, retentionPeriodHours, retentionBytes, horizonMillis })
        break
      }
      case 'settingsSet': {
        const { streamMode: mode, recordBytesMax, modeSwitches } = record
        this.#put({ ...this.#require(record.streamNumber), mode, recordBytesMax, modeSwitches })
        break
      }
      case 'shardsExpired':
        this.#expire(record)
        break
      case 'retentionClock': {
        const { kind: _, ...time } = record
        this.#retentionTime = time
        break
      }
      case 'monitoringSet': {
        const shardLevelMetrics = new Set(record.shardLevelMetrics)
        this.#put({ ...this.#require(record.streamNumber), shardLevelMetrics })
        break
      }
      case 'encryptionSet': {
        const { keyId: id, keyCheck: check, encryptionChanges } = record
        const encryption = id === undefined ? undefined : { id, check }
        this.#put({ ...this.#require(record.streamNumber), encryption, encryptionChanges })
        break
      }
      case 'deletionBegun':
        this.#beginDeletion(record)
        break
      case 'streamDeleted':
        this.#delete(this.#require(record.streamNumber))
        break
      case 'nameRetired':
        this.#retire(record.streamName, record.endSequenceNumber)
        break
      case 'reshardBegun':
        this.#beginReshard(record)
        break
      case 'routesSwitched':
        this.#switchRoutes(record)
        break
      case 'shardCountUpdatesSet':
        this.#put({ ...this.#require(record.streamNumber), shardCountUpdates: record.millis })
        break
      case 'consumerRegistered':
        this.#require(record.streamNumber)
        this.consumers.apply(record)
        break
      default:
        this.consumers.apply(record)
    }
  }

  /** The records of a snapshot, batch by batch, without the header. */
  *snapshot(): Iterable<readonly CatalogRecord[]> {
    for (const stream of this.#streams.values()) {
      yield streamRecords(stream)
      for (const consumer of this.consumers.of(stream.number)) {
        for (const record of consumerRecords(consumer)) yield [record]
      }
    }
    const end: CatalogRecord = {
      kind: 'snapshotEnd',
      nextStreamNumber: this.#nextStreamNumber,
      sequenceFloor: this.#sequenceFloor,
    }
    const retired = Array.from(this.#retired, retiredRecord)
    yield [...this.#retentionRecords(), ...retired, ...this.consumers.counterRecords(), end]
  }

  #create(record: Change<'streamCreated'>): void {
    if (this.#byName.has(record.streamName)) throw unreadable('a name stands for two streams')
    const number = record.streamNumber
    if (this.#streams.has(number)) throw unreadable('a number stands for two streams')
    this.#put({
      number,
      name: record.streamName,
      status: 'CREATING',
      mode: record.streamMode,
      createdMillis: record.createdMillis,
      retentionPeriodHours: record.retentionPeriodHours,
      retentionBytes: undefined,
      horizonMillis: 0,
      modeSwitches: [],
      recordBytesMax: record.recordBytesMax,
      shardCount: record.shardCount,
      firstSequenceNumber: record.firstSequenceNumber as SequenceNumber,
      endSequenceNumber: record.firstSequenceNumber as SequenceNumber,
      shards: new Map(),
      tags: new Map(record.tags.map(({ key, value }) => [key, value])),
      shardLevelMetrics: new Set(),
      encryption: undefined,
      encryptionChanges: [],
      shardCountUpdates: [],
    })
    this.#nextStreamNumber = Math.max(this.#nextStreamNumber, number + 1)
    this.#retired.delete(record.streamName)
  }

  #writeShards(record: Change<'shardsWritten'>): void {
    const stream = this.#require(record.streamNumber)
    const shards = new Map(stream.shards)
    for (const shard of record.shards) shards.set(shard.index, shardOf(shard))
    this.#put({ ...stream, shards })
  }

  /** A reshard is done when the stream has another status. */
  #setStatus({ streamNumber, status }: Change<'statusSet'>): void {
    this.#put({ ...this.#require(streamNumber), status, reshard: undefined })
  }

  #beginReshard({ streamNumber, ...fields }: Change<'reshardBegun'>): void {
    const { replacements, targetShardCount } = fields
    const stream = this.#require(streamNumber)
    const isOpen = (index: number) => {
      const shard = stream.shards.get(index)
      return shard !== undefined && shard.closing === undefined
    }
    if (!replacements.every((it) => it.parents.every(isOpen))) {
      throw unreadable('a shard is to be replaced that is not open')
    }
    const reshard = { replacements, targetShardCount, children: [] }
    this.#put({ ...stream, status: 'UPDATING', reshard })
  }

  #switchRoutes({ streamNumber, children }: Change<'routesSwitched'>): void {
    const stream = this.#require(streamNumber)
    if (stream.reshard === undefined) throw unreadable('shards have children without a reshard')
    const reshard = { ...stream.reshard, children: children.map(shardOf) }
    this.#put({ ...stream, reshard })
  }

  #expire({ streamNumber, shardIndexes, shardNumbers }: Change<'shardsExpired'>): void {
    for (const number of shardNumbers) this.#expired.set(number as ShardId, streamNumber)
    if (shardIndexes.length === 0) return
    const stream = this.#require(streamNumber)
    const shards = new Map(stream.shards)
    for (const index of shardIndexes) shards.delete(index)
    this.#put({ ...stream, shards })
    this.consumers.dropShards(streamNumber, shardIndexes)
  }

  #retentionRecords(): CatalogRecord[] {
    const byStream = new Map<number, ShardId[]>()
    for (const [number, stream] of this.#expired) {
      const numbers = byStream.get(stream)
      if (numbers === undefined) byStream.set(stream, [number])
      else numbers.push(number)
    }
    const time = this.#retentionTime
    return [
      ...Array.from(byStream).flatMap(([stream, numbers]) => expiryRecords(stream, [], numbers)),
      ...(time === undefined ? [] : [{ kind: 'retentionClock' as const, ...time }]),
    ]
  }

  #beginDeletion({ streamNumber, endSequenceNumber }: Change<'deletionBegun'>): void {
    this.#put({
      ...this.#require(streamNumber),
      status: 'DELETING',
      endSequenceNumber: endSequenceNumber as SequenceNumber,
    })
    this.consumers.drop(streamNumber)
  }

  #delete(stream: Stream): void {
    this.#streams.delete(stream.number)
    this.#byName.delete(stream.name)
    this.#retire(stream.name, stream.endSequenceNumber)
  }

  /** Past the names that are kept, the numbers of all are avoided by all. */
  #retire(name: string, endSequenceNumber: bigint): void {
    if (endSequenceNumber <= this.#sequenceFloor) return
    this.#retired.set(name, endSequenceNumber)
    if (this.#retired.size <= retiredNamesMax) return
    const [oldest] = this.#retired
    if (oldest === undefined) return
    this.#retired.delete(oldest[0])
    if (oldest[1] > this.#sequenceFloor) this.#sequenceFloor = oldest[1]
  }

  #require(number: number): Stream {
    const stream = this.#streams.get(number)
    if (stream === undefined) throw unreadable(`it has no stream of number ${number}`)
    return stream
  }

  #put(stream: Stream): void {
    this.#streams.set(stream.number, stream)
    this.#byName.set(stream.name, stream)
  }
}

function streamRecords(stream: Stream): CatalogRecord[] {
  const streamNumber = stream.number
  const records: CatalogRecord[] = [
    {
      kind: 'streamCreated',
      streamNumber,
      streamName: stream.name,
      createdMillis: stream.createdMillis,
      streamMode: stream.mode,
      shardCount: stream.shardCount,
      retentionPeriodHours: stream.retentionPeriodHours,
      recordBytesMax: stream.recordBytesMax,
      firstSequenceNumber: stream.firstSequenceNumber,
      tags: Array.from(stream.tags, ([key, value]) => ({ key, value })),
    },
    ...settingRecords(stream),
    ...shardRecords(streamNumber, [...stream.shards.values()]),
    ...monitoringRecords(stream),
  ]
  if (stream.shardCountUpdates.length > 0) {
    records.push({ kind: 'shardCountUpdatesSet', streamNumber, millis: stream.shardCountUpdates })
  }
  if (stream.status === 'ACTIVE' || stream.status === 'UPDATING') {
    records.push({ kind: 'statusSet', streamNumber, status: stream.status })
  }
  if (stream.reshard !== undefined) records.push(...reshardRecords(streamNumber, stream.reshard))
  if (stream.status === 'DELETING') {
    const { endSequenceNumber } = stream
    records.push({ kind: 'deletionBegun', streamNumber, endSequenceNumber })
  }
  return records
}

function reshardRecords(streamNumber: number, reshard: Reshard): CatalogRecord[] {
  const { replacements, targetShardCount, children } = reshard
  const begun: CatalogRecord = {
    kind: 'reshardBegun',
    streamNumber,
    replacements,
    targetShardCount,
  }
  return children.length === 0 ? [begun] : [begun, switchRecord(streamNumber, children)]
}

/** The record from which on everything is put to these. */
export function switchRecord(streamNumber: number, children: readonly Shard[]): CatalogRecord {
  return { kind: 'routesSwitched', streamNumber, children: children.map(catalogShardOf) }
}

/** What a stream that was created has not, as long as nobody changes it. */
function settingRecords(stream: Stream): CatalogRecord[] {
  const records: CatalogRecord[] = []
  if (stream.horizonMillis > 0 || stream.retentionBytes !== undefined) {
    records.push(retentionRecord(stream))
  }
  if (stream.modeSwitches.length > 0) records.push(settingsRecord(stream))
  if (stream.encryptionChanges.length > 0) records.push(encryptionRecord(stream))
  return records
}

/** Of a stream of which no metrics are told there are none. */
function monitoringRecords(stream: Stream): CatalogRecord[] {
  const shardLevelMetrics = [...stream.shardLevelMetrics]
  if (shardLevelMetrics.length === 0) return []
  return [{ kind: 'monitoringSet', streamNumber: stream.number, shardLevelMetrics }]
}

/** The records that say so of these shards of a stream. */
export function shardRecords(streamNumber: number, shards: readonly Shard[]): CatalogRecord[] {
  return Array.from(chunks(shards, shardsPerRecordMax), (part) => ({
    kind: 'shardsWritten' as const,
    streamNumber,
    shards: part.map(catalogShardOf),
  }))
}

function catalogShardOf({ closing, ...shard }: Shard): CatalogShard {
  return { ...shard, ...closing }
}

function shardOf(shard: CatalogShard): Shard {
  const { endingSequenceNumber, closedMillis } = shard
  const closing =
    endingSequenceNumber === undefined || closedMillis === undefined
      ? undefined
      : { endingSequenceNumber: endingSequenceNumber as SequenceNumber, closedMillis }
  return {
    index: shard.index,
    number: shard.number as ShardId,
    startingHashKey: shard.startingHashKey,
    endingHashKey: shard.endingHashKey,
    startingSequenceNumber: shard.startingSequenceNumber as SequenceNumber,
    createdMillis: shard.createdMillis,
    parents: shard.parents,
    closing,
  }
}

function retiredRecord([streamName, endSequenceNumber]: [string, bigint]): CatalogRecord {
  return { kind: 'nameRetired', streamName, endSequenceNumber }
}
