/**
 * The values of which several operations consist, in the order in which their fields are sent.
 * Names and rules are those of Kinesis where Kinesis has them.
 */

import {
  answerElementsMax,
  consumerNameCharactersMax,
  messageStringBytesMax,
  partitionKeyCharactersMax,
  partitionKeyCharactersMin,
  requestRecordsMax,
  streamNameCharactersMax,
  streamNameCharactersMin,
  tagKeyCharactersMax,
  tagValueCharactersMax,
  workerIdCharactersMax,
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

export const shardMove = struct('ShardMove', {
  startingHashKey: hashKey,
  endingHashKey: hashKey,
  /** The open shards that have them now. */
  shardIds: list(text({ max: 128 }), { min: 1, max: answerElementsMax }),
})
/** Hash keys that go to a new shard. */
export type ShardMove = ReturnType<(typeof shardMove)['parse']>

export const shardHeat = struct('ShardHeat', {
  shardId: text({ max: 128 }),
  startingHashKey: hashKey,
  endingHashKey: hashKey,
  recordsPerSecond: uint(),
  /** Of keys and data. */
  bytesPerSecond: uint(),
  /** Of what a shard is taken to carry. */
  loadPercent: uint(),
  /** The time that this is the mean of. */
  measuredMillis: uint(),
})
/** What comes into a shard. */
export type ShardHeat = ReturnType<(typeof shardHeat)['parse']>

export const scalingChange = struct('ScalingChange', {
  /** The shard that is split, or the two that are merged. */
  shardIds: list(text({ max: 128 }), { min: 1, max: 2 }),
  /** Where the new shards begin. */
  startingHashKeys: list(hashKey, { min: 1, max: 2 }),
  reason: text({ max: messageStringBytesMax }),
})
export type ScalingChange = ReturnType<(typeof scalingChange)['parse']>

/** One key has the load of its shard; the stream has as many shards as it may. */
export const scalingBlockReasons = ['HOT_KEY', 'SHARDS_MAX'] as const

export const scalingBlock = struct('ScalingBlock', {
  shardId: text({ max: 128 }),
  blockReason: word(scalingBlockReasons),
  reason: text({ max: messageStringBytesMax }),
})
export type ScalingBlock = ReturnType<(typeof scalingBlock)['parse']>

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

/** The metrics of a shard, by the names of Kinesis. */
export const shardLevelMetrics = [
  'IncomingBytes',
  'IncomingRecords',
  'OutgoingBytes',
  'OutgoingRecords',
  'WriteProvisionedThroughputExceeded',
  'ReadProvisionedThroughputExceeded',
  'IteratorAgeMilliseconds',
] as const
export type ShardLevelMetric = (typeof shardLevelMetrics)[number]

export const record = struct('Record', {
  partitionKey: optional(text({ min: partitionKeyCharactersMin, max: partitionKeyCharactersMax })),
  data: bytes,
})

export const putShard = struct('PutShard', {
  shardNumber: u64(),
  /** The shard's records take consecutive numbers from here, in their order in the request. */
  firstSequenceNumber: u64(),
  count: uint(),
  /** Why the shard has none of them; missing where it has. */
  errorCode: optional(text({ max: 128 })),
  /** With THROUGHPUT_EXCEEDED. */
  retryAfterMs: optional(uint()),
})

export const putOutcome = struct('PutOutcome', {
  shards: list(putShard, { max: requestRecordsMax }),
  /** For each record its place in `shards`: one byte, or two where there are more than 256. */
  ordinals: bytes,
  failedCount: uint(),
})

export const consumerName: Field<string> = text({
  max: consumerNameCharactersMax,
  pattern: streamNamePattern,
  patternText: 'letters, digits, _ . and -',
})
/** Chosen by the worker; no two at a time have the same. */
export const workerId = text({ max: workerIdCharactersMax })
/** Grows with each acquisition of the lease of a shard: the higher one fences off the lower. */
export const leaseCounter = u64()

export const consumerStates = ['CREATING', 'ACTIVE', 'DELETING'] as const
export type ConsumerStatus = (typeof consumerStates)[number]

export const consumer = struct('Consumer', {
  consumerName,
  consumerStatus: word(consumerStates),
  consumerCreationTimestamp: millis,
})
export const consumerFields = consumer.fields
export type ConsumerDescription = ReturnType<(typeof consumer)['parse']>

export const checkpoint = struct('Checkpoint', {
  shardId: text({ max: 128 }),
  shardNumber: u64(),
  /** The record that is to be read next; missing where the shard has been read to its end. */
  nextSequenceNumber: optional(u64()),
})
export type Checkpoint = ReturnType<(typeof checkpoint)['parse']>

export const heldLease = struct('HeldLease', { shardId: text({ max: 128 }), leaseCounter })
export type HeldLease = ReturnType<(typeof heldLease)['parse']>

export const lease = struct('Lease', {
  shardId: text({ max: 128 }),
  shardNumber: u64(),
  leaseCounter,
  /** Of the checkpoint: missing where nothing has been read. */
  nextSequenceNumber: optional(u64()),
})
export type Lease = ReturnType<(typeof lease)['parse']>

export const leaseState = struct('LeaseState', {
  shardId: text({ max: 128 }),
  workerId,
  leaseCounter,
  /** 0 where it has expired. */
  expiresInMillis: uint(),
})
export type LeaseState = ReturnType<(typeof leaseState)['parse']>

/** Names a subscription on its connection. */
export const subscriptionId = uint(0, 2 ** 32 - 1)

export const streamStartTypes = ['TRIM_HORIZON', 'LATEST', 'AT_TIMESTAMP'] as const
export type StreamStartType = (typeof streamStartTypes)[number]

/** A shard that a subscription sends. */
export const subscribedShard = struct('SubscribedShard', {
  shardId: text({ max: 128 }),
  /** The number in the header of its batches. */
  shardNumber: u64(),
  /** The first record that is sent has this number, or a higher one. */
  firstSequenceNumber: u64(),
})
export type SubscribedShard = ReturnType<(typeof subscribedShard)['parse']>

export const resumePosition = struct('ResumePosition', {
  shardNumber: u64(),
  /** The record that is to be sent next; missing where the shard has been sent to its end. */
  nextSequenceNumber: optional(u64()),
})
export type ResumePosition = ReturnType<(typeof resumePosition)['parse']>

export const shardProgress = struct('ShardProgress', {
  shardNumber: u64(),
  /** The record that is sent next. */
  nextSequenceNumber: u64(),
  /** 0 where everything has been sent. */
  millisBehindLatest: uint(),
})
export type ShardProgress = ReturnType<(typeof shardProgress)['parse']>

/** Trimmed; damaged on disk; of a shard that is not there any more. */
export const gapReasons = ['TRIMMED', 'CORRUPT', 'SHARD_GONE'] as const
export type GapReason = (typeof gapReasons)[number]
