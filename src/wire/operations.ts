/**
 * The operations of the protocol: number, name, and the fields of request and answer, in the order
 * in which they are sent. This table is the home of all of it; PROTOCOL.md is compared with it.
 * Names and rules are those of Kinesis where Kinesis has the operation.
 */

import {
  getRecordsRecordsMax,
  pageElementsMax,
  recordBytesMaxHighest,
  recordBytesMaxLowest,
  requestRecordsMax,
  shardCountMax,
  streamNameCharactersMax,
  tagKeyCharactersMax,
  tagsMax,
} from '../limits.ts'
import { authenticate } from './access-operations.ts'
import { batchLayout } from './batch-layout.ts'
import {
  acquireLeases,
  deregisterStreamConsumer,
  describeStreamConsumer,
  getCheckpoints,
  listLeases,
  listStreamConsumers,
  registerStreamConsumer,
  releaseLease,
  renewLeases,
  setCheckpoint,
} from './consumer-operations.ts'
import {
  encryptionTypes,
  keyId,
  startStreamEncryption,
  stopStreamEncryption,
} from './encryption-operations.ts'
import {
  bool,
  bytes,
  hashKey,
  list,
  optional,
  type Struct,
  text,
  u64,
  uint,
  word,
} from './fields.ts'
import {
  disableEnhancedMonitoring,
  enableEnhancedMonitoring,
  monitoredMetrics,
} from './monitoring-operations.ts'
import { type Operation, operation } from './operation.ts'
import { describeScaling, mergeShards, splitShard, updateShardCount } from './reshard-operations.ts'
import {
  decreaseStreamRetentionPeriod,
  describeLimits,
  increaseStreamRetentionPeriod,
  retentionBytes,
  updateMaxRecordSize,
  updateStreamMode,
  updateStreamRetentionBytes,
} from './setting-operations.ts'
import {
  childShard,
  durability,
  millis,
  putOutcome,
  record,
  shard,
  shardFilter,
  shardIdField,
  shardIteratorTypes,
  streamFields,
  streamModes,
  streamName,
  streamSummary,
  tag,
  token,
} from './structures.ts'
import { subscribeToShard, subscribeToStream, unsubscribe } from './subscription-operations.ts'

export type { AnswerOf, Operation, RequestOf } from './operation.ts'
export {
  describeScaling,
  mergeShards,
  splitShard,
  updateShardCount,
} from './reshard-operations.ts'
export {
  type Checkpoint,
  type ChildShard,
  type ConsumerDescription,
  type ConsumerStatus,
  type Durability,
  durabilities,
  type HeldLease,
  type Lease,
  type LeaseState,
  type ScalingBlock,
  type ScalingChange,
  type ShardDescription,
  type ShardFilter,
  type ShardHeat,
  type ShardIteratorType,
  type ShardMove,
  type StreamMode,
  type StreamStatus,
  type StreamSummary,
  shardFilterTypes,
  shardIteratorTypes,
  streamModes,
  streamName,
  streamStates,
  type Tag,
} from './structures.ts'

export const createStream = operation(
  0x10,
  'CreateStream',
  {
    streamName,
    /** 4 unless it is given. */
    shardCount: optional(uint(1, shardCountMax)),
    /** ON_DEMAND unless it is given. */
    streamMode: optional(word(streamModes)),
    recordBytesMax: optional(uint(recordBytesMaxLowest, recordBytesMaxHighest)),
    tags: optional(list(tag, { max: tagsMax })),
  },
  {},
)

export const deleteStream = operation(
  0x11,
  'DeleteStream',
  {
    streamName,
    /** Whether its consumers go with it; else a stream that has any is STREAM_IN_USE. */
    enforceConsumerDeletion: optional(bool),
  },
  {},
)

/** What a stream is encrypted with; missing where it is not. */
const encryptionFields = {
  encryptionType: optional(word(encryptionTypes)),
  keyId: optional(keyId),
}

export const describeStream = operation(
  0x12,
  'DescribeStream',
  {
    streamName,
    /** Shards in the answer, 100 unless it is given. */
    limit: optional(uint(1, pageElementsMax)),
    exclusiveStartShardId: optional(shardIdField),
  },
  {
    ...streamFields,
    shards: list(shard, { max: pageElementsMax }),
    hasMoreShards: bool,
    retentionBytes,
    shardLevelMetrics: optional(monitoredMetrics),
    ...encryptionFields,
  },
)

export const describeStreamSummary = operation(
  0x13,
  'DescribeStreamSummary',
  { streamName },
  {
    ...streamFields,
    openShardCount: uint(),
    retentionBytes,
    shardLevelMetrics: optional(monitoredMetrics),
    ...encryptionFields,
  },
)

export const listStreams = operation(
  0x14,
  'ListStreams',
  {
    limit: optional(uint(1, pageElementsMax)),
    exclusiveStartStreamName: optional(text({ max: streamNameCharactersMax })),
    nextToken: optional(token),
  },
  {
    streamSummaries: list(streamSummary, { max: pageElementsMax }),
    hasMoreStreams: bool,
    nextToken: optional(token),
  },
)

export const listShards = operation(
  0x15,
  'ListShards',
  {
    /** Either this or `nextToken`. */
    streamName: optional(streamName),
    nextToken: optional(token),
    exclusiveStartShardId: optional(shardIdField),
    maxResults: optional(uint(1, pageElementsMax)),
    /** Tells a stream from an earlier one of the same name. */
    streamCreationTimestamp: optional(millis),
    shardFilter: optional(shardFilter),
  },
  { shards: list(shard, { max: pageElementsMax }), nextToken: optional(token) },
)

export const addTagsToStream = operation(
  0x16,
  'AddTagsToStream',
  { streamName, tags: list(tag, { min: 1, max: tagsMax }) },
  {},
)

export const removeTagsFromStream = operation(
  0x17,
  'RemoveTagsFromStream',
  { streamName, tagKeys: list(text({ max: tagKeyCharactersMax }), { min: 1, max: tagsMax }) },
  {},
)

export const listTagsForStream = operation(
  0x18,
  'ListTagsForStream',
  {
    streamName,
    exclusiveStartTagKey: optional(text({ max: tagKeyCharactersMax })),
    limit: optional(uint(1, tagsMax)),
  },
  { tags: list(tag, { max: tagsMax }), hasMoreTags: bool },
)

/** What the three put operations begin with. The broker scans natively what comes after it. */
const putHead = { streamName, durability: optional(durability) }

const unsigned32Max = 2 ** 32 - 1

/** 0 where the producer is not idempotent. */
const producer = { producerId: u64(), producerSequence: uint(0, unsigned32Max) }

/** What PutRecord and PutRecords have behind the head, for so many records. */
function putBody(recordsMax: number) {
  return {
    records: list(record, { min: 1, max: recordsMax }),
    /** As many as records; nil where the key decides. */
    explicitHashKeys: optional(list(optional(hashKey), { min: 1, max: recordsMax })),
    ...producer,
  }
}

export const putRecord = operation(
  0x20,
  'PutRecord',
  { ...putHead, ...putBody(1) },
  { durability, shardId: text({ max: 128 }), sequenceNumber: u64() },
)

export const putRecords = operation(
  0x21,
  'PutRecords',
  { ...putHead, ...putBody(requestRecordsMax) },
  {
    /** The weakest of the shards'. */
    durability,
    /** For each element of `shards` the index of the shard within the stream. */
    shardIndexes: list(uint(), { max: requestRecordsMax }),
    outcome: putOutcome,
  },
)

export const putBatch = operation(
  0x24,
  'PutBatch',
  {
    ...putHead,
    /** Of the shard within the stream. */
    shardIndex: uint(0, 2 ** 31 - 1),
    count: uint(1, batchLayout.recordCountMax),
    /** How the records are compressed; 0 = not at all. */
    codec: uint(0, batchLayout.codecMask),
    ...producer,
    /** Records back to back, or what the codec made of them. */
    records: bytes,
  },
  { durability, firstSequenceNumber: u64(), duplicate: bool },
)

export const getShardIterator = operation(
  0x22,
  'GetShardIterator',
  {
    streamName,
    shardId: shardIdField,
    shardIteratorType: word(shardIteratorTypes),
    startingSequenceNumber: optional(u64()),
    timestamp: optional(millis),
  },
  { shardIterator: text({ max: 512 }) },
)

export const getRecords = operation(
  0x23,
  'GetRecords',
  { shardIterator: text({ max: 514 }), limit: optional(uint(1, getRecordsRecordsMax)) },
  {
    /** Missing at the end of a closed shard. */
    nextShardIterator: optional(text({ max: 512 })),
    millisBehindLatest: uint(),
    /** At the end of a closed shard: those that follow it. */
    childShards: list(childShard, { max: 2 }),
    /** The records of the answer: so many from this sequence number on. */
    firstSequenceNumber: u64(),
    recordCount: uint(),
    /** Whole batches; may begin with earlier records and end with later ones. */
    slice: bytes,
  },
)

/** Every operation by its opcode. */
export const operationsByOpcode: ReadonlyMap<number, Operation> = new Map(
  [
    createStream,
    deleteStream,
    describeStream,
    describeStreamSummary,
    listStreams,
    listShards,
    addTagsToStream,
    removeTagsFromStream,
    listTagsForStream,
    splitShard,
    mergeShards,
    updateShardCount,
    describeScaling,
    increaseStreamRetentionPeriod,
    decreaseStreamRetentionPeriod,
    updateMaxRecordSize,
    enableEnhancedMonitoring,
    disableEnhancedMonitoring,
    putRecord,
    putRecords,
    getShardIterator,
    getRecords,
    putBatch,
    updateStreamMode,
    describeLimits,
    updateStreamRetentionBytes,
    startStreamEncryption,
    stopStreamEncryption,
    subscribeToShard,
    subscribeToStream,
    unsubscribe,
    registerStreamConsumer,
    describeStreamConsumer,
    listStreamConsumers,
    deregisterStreamConsumer,
    getCheckpoints,
    setCheckpoint,
    acquireLeases,
    renewLeases,
    releaseLease,
    listLeases,
    authenticate,
  ].map((it): [number, Operation] => [it.opcode, it as unknown as Operation]),
)

/** The WebSocket subprotocol that client and broker agree on. */
export const subprotocol = 'millrace.v1'

/** What the broker sends unasked: the first message on a connection. */
export const welcome = {
  opcode: 0x01,
  name: 'Welcome',
  fields: {
    protocolVersion: uint(1),
    brokerVersion: text({ max: 128 }),
    /** The largest message that the broker takes, in bytes. */
    frameBytesMax: uint(),
    requestsInFlightMax: uint(),
    /** Whether requests are carried out; else the first one has to be Authenticate. */
    authenticated: optional(bool),
    /** As Authenticate answers it. */
    expiresInMillis: optional(uint()),
    subscriptionsMax: optional(uint(1)),
    connectionCreditBytesMax: optional(uint(1)),
  },
} as const
export type Welcome = Struct<(typeof welcome)['fields']>
