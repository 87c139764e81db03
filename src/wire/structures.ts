/**
 * The values of which several operations consist, in the order in which their fields are sent.
 * Names and rules are those of Kinesis where Kinesis has them.
 */

import {
  messageStringBytesMax,
  partitionKeyCharactersMax,
  partitionKeyCharactersMin,
  requestRecordsMax,
  streamNameCharactersMax,
  streamNameCharactersMin,
  tagKeyCharactersMax,
  tagValueCharactersMax,
} from '../limits.ts'
import {
  bytes,
  type Field,
  hashKey,
  list,
  optional,
  struct,
  text,
  u64,
  uint,
  word,
} from './fields.ts'

export const streamNamePattern: RegExp = /^[a-zA-Z0-9_.-]+$/

/** `[a-zA-Z0-9_.-]{1,128}`: the names of streams. They are never paths: `..` is a legal one. */
export const streamName: Field<string> = text({
  min: streamNameCharactersMin,
  max: streamNameCharactersMax,
  pattern: streamNamePattern,
  patternText: 'letters, digits, _ . and -',
})

/** As users write it; parsed leniently by the broker (`shardId-000000000007`, `shardId-7`, `7`). */
export const shardIdField = text({ max: 128 })
export const token = text({ max: messageStringBytesMax })
/** Milliseconds since 1970. */
export const millis = uint()

export const streamStates = ['CREATING', 'ACTIVE', 'UPDATING', 'DELETING'] as const
export type StreamStatus = (typeof streamStates)[number]

export const streamModes = ['PROVISIONED', 'ON_DEMAND'] as const
export type StreamMode = (typeof streamModes)[number]

export const durabilities = ['disk', 'os'] as const

/**
 * What an acknowledgement means: `disk`, it is on disk and survives a power cut; `os`, it is in the
 * page cache of the operating system and survives the process.
 */
export type Durability = (typeof durabilities)[number]

/** `disk` unless a request says otherwise. */
export const durability = word(durabilities)

export const tag = struct('Tag', {
  key: text({ max: tagKeyCharactersMax }),
  value: text({ min: 0, max: tagValueCharactersMax }),
})
export type Tag = ReturnType<(typeof tag)['parse']>

export const shard = struct('Shard', {
  shardId: text({ max: 128 }),
  parentShardId: optional(text({ max: 128 })),
  adjacentParentShardId: optional(text({ max: 128 })),
  startingHashKey: hashKey,
  endingHashKey: hashKey,
  startingSequenceNumber: u64(),
  /** Of closed shards alone. */
  endingSequenceNumber: optional(u64()),
  /** The number that stands in the header of its batches: never reused in a data directory. */
  shardNumber: u64(),
})
/** A shard as it is described; hash keys are inclusive. */
export type ShardDescription = ReturnType<(typeof shard)['parse']>

export const childShard = struct('ChildShard', {
  shardId: text({ max: 128 }),
  parentShards: list(text({ max: 128 }), { max: 2 }),
  startingHashKey: hashKey,
  endingHashKey: hashKey,
})
export type ChildShard = ReturnType<(typeof childShard)['parse']>

export const streamSummary = struct('StreamSummary', {
  streamName,
  streamStatus: word(streamStates),
  streamMode: word(streamModes),
  streamCreationTimestamp: millis,
})
export type StreamSummary = ReturnType<(typeof streamSummary)['parse']>

export const streamFields = {
  ...streamSummary.fields,
  retentionPeriodHours: uint(),
  /** Key and data of one record, in bytes. */
  recordBytesMax: uint(),
}

export const shardFilterTypes = [
  'FROM_TRIM_HORIZON',
  'AT_TRIM_HORIZON',
  'FROM_TIMESTAMP',
  'AT_TIMESTAMP',
  'AT_LATEST',
  'AFTER_SHARD_ID',
] as const

export const shardFilter = struct('ShardFilter', {
  type: word(shardFilterTypes),
  shardId: optional(shardIdField),
  timestamp: optional(millis),
})
export type ShardFilter = ReturnType<(typeof shardFilter)['parse']>

export const shardIteratorTypes = [
  'TRIM_HORIZON',
  'LATEST',
  'AT_SEQUENCE_NUMBER',
  'AFTER_SEQUENCE_NUMBER',
  'AT_TIMESTAMP',
] as const
export type ShardIteratorType = (typeof shardIteratorTypes)[number]

export const record = struct('Record', {
  partitionKey: text({ min: partitionKeyCharactersMin, max: partitionKeyCharactersMax }),
  data: bytes,
})

export const putShard = struct('PutShard', {
  shardNumber: u64(),
  /** The shard's records take consecutive numbers from here, in their order in the request. */
  firstSequenceNumber: u64(),
  count: uint(),
  /** Why the shard has none of them; missing where it has. */
  errorCode: optional(text({ max: 128 })),
})

export const putOutcome = struct('PutOutcome', {
  shards: list(putShard, { max: requestRecordsMax }),
  /** For each record its place in `shards`: one byte, or two where there are more than 256. */
  ordinals: bytes,
  failedCount: uint(),
})
