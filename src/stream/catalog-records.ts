/**
 * The records of the catalog: their kinds, and their bytes. CATALOG.md specifies them. Pure.
 */

import { MillraceError } from '../errors.ts'
import {
  consumerNameCharactersMax,
  encryptionChangesMax,
  modeSwitchesMax,
  shardCountMax,
  shardCountUpdatesHighest,
  tagsMax,
  workerIdCharactersMax,
} from '../limits.ts'
import { packMessage, unpackMessage } from '../wire/codec.ts'
import { keyId } from '../wire/encryption-operations.ts'
import {
  bytes,
  type Field,
  type Fields,
  hashKey,
  list,
  optional,
  type Struct,
  struct,
  text,
  u64,
  uint,
  word,
} from '../wire/fields.ts'
import { monitoredMetrics } from '../wire/monitoring-operations.ts'
import { streamModes, streamName, streamStates } from '../wire/operations.ts'

export const catalogMagic = 'millrace-catalog'
/** The newest that this version writes and reads. */
export const catalogVersion = 1

/** Shards, checkpoints or leases in one record; for more of them there are several. */
export const shardsPerRecordMax: number = shardCountMax

const tag = struct('Tag', { key: text({ max: 1024 }), value: text({ min: 0, max: 1024 }) })
const tags = list(tag, { max: tagsMax })

const shard = struct('CatalogShard', {
  index: uint(),
  number: u64(),
  startingHashKey: hashKey,
  endingHashKey: hashKey,
  startingSequenceNumber: u64(),
  createdMillis: uint(),
  parents: list(uint(), { max: 2 }),
  endingSequenceNumber: optional(u64()),
  closedMillis: optional(uint()),
})
export type CatalogShard = ReturnType<(typeof shard)['parse']>

/** Begins a catalog, and each snapshot of it. */
const header = struct('header', {
  magic: text({ max: 64 }),
  version: uint(1),
  /** Random; what the broker hands out and wants back unchanged is signed with it. */
  instanceKey: bytes,
})

const snapshotEnd = struct('snapshotEnd', {
  nextStreamNumber: uint(1),
  /** Where streams begin whose name is not among those that are remembered. */
  sequenceFloor: u64(),
})

const streamCreated = struct('streamCreated', {
  streamNumber: uint(1),
  streamName,
  createdMillis: uint(),
  streamMode: word(streamModes),
  shardCount: uint(1, shardCountMax),
  retentionPeriodHours: uint(1),
  recordBytesMax: uint(1),
  firstSequenceNumber: u64(),
  tags,
})

const shardsWritten = struct('shardsWritten', {
  streamNumber: uint(1),
  shards: list(shard, { max: shardsPerRecordMax }),
})

const statusSet = struct('statusSet', { streamNumber: uint(1), status: word(streamStates) })

const tagsSet = struct('tagsSet', { streamNumber: uint(1), tags })

const deletionBegun = struct('deletionBegun', {
  streamNumber: uint(1),
  /** Above all sequence numbers that the stream has given. */
  endSequenceNumber: u64(),
})

const streamDeleted = struct('streamDeleted', { streamNumber: uint(1) })

/** In snapshots: a deleted stream whose numbers one of the same name must not repeat. */
const nameRetired = struct('nameRetired', { streamName, endSequenceNumber: u64() })

const ofConsumer = { streamNumber: uint(1), consumerName: text({ max: consumerNameCharactersMax }) }

const consumerRegistered = struct('consumerRegistered', {
  ...ofConsumer,
  createdMillis: uint(),
  tags,
})

/** Its checkpoints and leases go with it. */
const consumerDeregistered = struct('consumerDeregistered', ofConsumer)

const checkpoint = struct('CatalogCheckpoint', {
  shardIndex: uint(),
  /** Missing where the shard was read to its end. */
  nextSequenceNumber: optional(u64()),
})
export type CatalogCheckpoint = ReturnType<(typeof checkpoint)['parse']>

const checkpointsSet = struct('checkpointsSet', {
  ...ofConsumer,
  checkpoints: list(checkpoint, { max: shardsPerRecordMax }),
})

const lease = struct('CatalogLease', {
  shardIndex: uint(),
  leaseCounter: u64(),
  /** How long it is held without being renewed; renewals are not written. */
  leaseMillis: uint(),
  /** Missing where it was released. */
  workerId: optional(text({ max: workerIdCharactersMax })),
})
export type CatalogLease = ReturnType<(typeof lease)['parse']>

const leasesSet = struct('leasesSet', {
  ...ofConsumer,
  leases: list(lease, { max: shardsPerRecordMax }),
})

/** In snapshots: no lease gets a counter up to this one, whatever became of those that had it. */
const leaseCounterGiven = struct('leaseCounterGiven', { leaseCounter: u64() })

const replacement = struct('CatalogReplacement', {
  /** Indexes of the open shard that is split, or of the two that are merged, the lower first. */
  parents: list(uint(), { min: 1, max: 2 }),
  /** Where the shards begin that take over its keys, ascending. */
  startingHashKeys: list(hashKey, { min: 1, max: 2 }),
})

const reshardBegun = struct('reshardBegun', {
  streamNumber: uint(1),
  replacements: list(replacement, { max: shardsPerRecordMax }),
  /** How many open shards the stream is to have in the end; missing where this is all. */
  targetShardCount: optional(uint(1, shardCountMax)),
})

/** From this record on everything is put to the children; they are read when they are written. */
const routesSwitched = struct('routesSwitched', {
  streamNumber: uint(1),
  children: list(shard, { max: shardsPerRecordMax }),
})

/** When the number of shards was changed, as far as that counts for the limit. */
const shardCountUpdatesSet = struct('shardCountUpdatesSet', {
  streamNumber: uint(1),
  millis: list(uint(), { max: shardCountUpdatesHighest }),
})

const retentionSet = struct('retentionSet', {
  streamNumber: uint(1),
  retentionPeriodHours: uint(1),
  /** Missing where there is no such bound. */
  retentionBytes: optional(uint(1)),
  /** What arrived before it is expired, and does not come back. */
  horizonMillis: uint(),
})

const settingsSet = struct('settingsSet', {
  streamNumber: uint(1),
  streamMode: word(streamModes),
  recordBytesMax: uint(1),
  /** The last times at which the mode was switched. */
  modeSwitches: list(uint(), { max: modeSwitchesMax }),
})

/** From then on the log may or may not have them. */
const shardsExpired = struct('shardsExpired', {
  streamNumber: uint(1),
  /** Of those that the stream had until now; none in snapshots. */
  shardIndexes: list(uint(), { max: shardsPerRecordMax }),
  shardNumbers: list(u64(), { max: shardsPerRecordMax }),
})

/** Clock spans in one record, which is as many as are kept. */
export const clockSpansMax = 100

const clockSpan = struct('CatalogClockSpan', { runMillis: uint(), wallMillis: uint() })

/** How far the retention clock had come, and what the clock of the machine showed beside it. */
const retentionClock = struct('retentionClock', {
  runMillis: uint(),
  spans: list(clockSpan, { min: 1, max: clockSpansMax }),
  /** Since when the machine has been running; missing where that is not known. */
  bootId: optional(text({ max: 64 })),
  /** For how long it had been running. */
  steadyMillis: uint(),
})

const monitoringSet = struct('monitoringSet', {
  streamNumber: uint(1),
  shardLevelMetrics: monitoredMetrics,
})

const encryptionSet = struct('encryptionSet', {
  streamNumber: uint(1),
  /** Missing where it is not encrypted. */
  keyId: optional(keyId),
  /** Tells the key from another one of its id; 0 without one. */
  keyCheck: u64(),
  /** The last times at which encryption was started or stopped. */
  encryptionChanges: list(uint(), { max: encryptionChangesMax }),
})

/** Numbers are given once; a kind that is not here was written by a newer version. */
const kinds = {
  header: { number: 1, fields: header },
  snapshotEnd: { number: 2, fields: snapshotEnd },
  streamCreated: { number: 3, fields: streamCreated },
  shardsWritten: { number: 4, fields: shardsWritten },
  statusSet: { number: 5, fields: statusSet },
  tagsSet: { number: 6, fields: tagsSet },
  deletionBegun: { number: 7, fields: deletionBegun },
  streamDeleted: { number: 8, fields: streamDeleted },
  nameRetired: { number: 9, fields: nameRetired },
  consumerRegistered: { number: 10, fields: consumerRegistered },
  consumerDeregistered: { number: 11, fields: consumerDeregistered },
  checkpointsSet: { number: 12, fields: checkpointsSet },
  leasesSet: { number: 13, fields: leasesSet },
  leaseCounterGiven: { number: 14, fields: leaseCounterGiven },
  reshardBegun: { number: 15, fields: reshardBegun },
  routesSwitched: { number: 16, fields: routesSwitched },
  shardCountUpdatesSet: { number: 17, fields: shardCountUpdatesSet },
  retentionSet: { number: 18, fields: retentionSet },
  settingsSet: { number: 19, fields: settingsSet },
  shardsExpired: { number: 20, fields: shardsExpired },
  retentionClock: { number: 21, fields: retentionClock },
  monitoringSet: { number: 22, fields: monitoringSet },
  encryptionSet: { number: 23, fields: encryptionSet },
} as const satisfies Record<string, { number: number; fields: Field<Struct<Fields>> }>

type Kinds = typeof kinds
export type CatalogRecordKind = keyof Kinds

/** One record of the catalog: its kind, and the fields of that kind. */
export type CatalogRecord = {
  [Kind in CatalogRecordKind]: { readonly kind: Kind } & ReturnType<Kinds[Kind]['fields']['parse']>
}[CatalogRecordKind]

const kindsByNumber: ReadonlyMap<unknown, CatalogRecordKind> = new Map(
  Object.entries(kinds).map(([kind, { number }]) => [number, kind as CatalogRecordKind]),
)

/** The table of CATALOG.md. */
export const catalogKinds: readonly {
  readonly number: number
  readonly kind: string
  readonly fields: readonly string[]
}[] = Object.entries(kinds).map(([kind, { number, fields }]) => ({
  number,
  kind,
  fields: Object.keys(fields.fields),
}))
/** The structures of CATALOG.md. */
export const catalogShardFields: readonly string[] = Object.keys(shard.fields)
export const catalogCheckpointFields: readonly string[] = Object.keys(checkpoint.fields)
export const catalogLeaseFields: readonly string[] = Object.keys(lease.fields)
export const catalogReplacementFields: readonly string[] = Object.keys(replacement.fields)
export const catalogClockSpanFields: readonly string[] = Object.keys(clockSpan.fields)

/** The data of the record in the log. */
export function encodeCatalogRecord(record: CatalogRecord): Uint8Array {
  const { number, fields } = kinds[record.kind]
  const values = (fields as Field<unknown>).pack(record) as unknown[]
  return packMessage([number, ...values])
}

/**
 * Throws a MillraceError: FORMAT_UNSUPPORTED for what a newer version wrote, CATALOG_UNREADABLE for
 * what none can have written.
 */
export function decodeCatalogRecord(data: Uint8Array): CatalogRecord {
  const values = unpack(data)
  const kind = kindsByNumber.get(values[0])
  if (kind === undefined) throw newer(`has records of kind ${String(values[0])}`)
  const version = values[2]
  if (kind === 'header' && typeof version === 'number' && version > catalogVersion) {
    throw newer(`has version ${version}`)
  }
  try {
    const fields = (kinds[kind].fields as Field<object>).parse(values.slice(1), kind)
    return { kind, ...fields } as CatalogRecord
  } catch (cause) {
    throw unreadable(`a record of it is malformed: ${(cause as Error).message}`, cause)
  }
}

function unpack(data: Uint8Array): unknown[] {
  try {
    return unpackMessage(data, { elementsMax: shardsPerRecordMax })
  } catch (cause) {
    throw unreadable(`a record of it is malformed: ${(cause as Error).message}`, cause)
  }
}

function newer(what: string): MillraceError {
  return new MillraceError(
    'FORMAT_UNSUPPORTED',
    `The catalog ${what}; this version of Millrace knows version ${catalogVersion}.`,
  )
}

/** The error of a catalog from which nothing may be concluded. */
export function unreadable(why: string, cause?: unknown): MillraceError {
  const details = cause === undefined ? {} : { cause }
  return new MillraceError('CATALOG_UNREADABLE', `The catalog cannot be read: ${why}.`, details)
}
