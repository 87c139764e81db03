/**
 * The operations of the protocol: number, name, and the fields of request and answer, in the order
 * in which they are sent. This table is the home of all of it; PROTOCOL.md is compared with it.
 * Names and rules are those of Kinesis where Kinesis has the operation.
 */

import {
  describeStreamPageDefault,
  getRecordsRecordsMax,
  messageStringBytesMax,
  pageElementsMax,
  recordBytesMaxHighest,
  recordBytesMaxLowest,
  shardCountMax,
  streamNameCharactersMax,
  streamNameCharactersMin,
  tagKeyCharactersMax,
  tagsMax,
  tagValueCharactersMax,
} from '../limits.ts'
import {
  bool,
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
} from './fields.ts'

/** One operation. */
export interface Operation<
  Name extends string = string,
  Request extends Fields = Fields,
  Answer extends Fields = Fields,
> {
  /** The first element of its frames: 0x10 to 0x3f. */
  readonly opcode: number
  readonly name: Name
  readonly request: Request
  readonly answer: Answer
}

/** What an operation takes, as an object. */
export type RequestOf<Op extends Operation> = Struct<Op['request']>
/** What an operation answers, as an object. */
export type AnswerOf<Op extends Operation> = Struct<Op['answer']>

function operation<const Name extends string, Request extends Fields, Answer extends Fields>(
  opcode: number,
  name: Name,
  request: Request,
  answer: Answer,
): Operation<Name, Request, Answer> {
  return { opcode, name, request, answer }
}

// --- fields that several operations have

/** `[a-zA-Z0-9_.-]{1,128}`: the names of streams. They are never paths: `..` is a legal one. */
export const streamName: Field<string> = text({
  min: streamNameCharactersMin,
  max: streamNameCharactersMax,
  pattern: /^[a-zA-Z0-9_.-]+$/,
  patternText: 'letters, digits, _ . and -',
})

/** As users write it; parsed leniently by the broker (`shardId-000000000007`, `shardId-7`, `7`). */
const shardIdText = text({ max: 128 })
const token = text({ max: messageStringBytesMax })
/** Milliseconds since 1970. */
const millis = uint()

export const streamStates = ['CREATING', 'ACTIVE', 'UPDATING', 'DELETING'] as const
export type StreamStatus = (typeof streamStates)[number]

export const streamModes = ['PROVISIONED', 'ON_DEMAND'] as const
export type StreamMode = (typeof streamModes)[number]

export const durabilities = ['disk', 'os'] as const

/** What an acknowledgement means; `disk` unless a request says otherwise. */
const durability = word(durabilities)

const tag = struct('Tag', {
  key: text({ max: tagKeyCharactersMax }),
  value: text({ min: 0, max: tagValueCharactersMax }),
})
export type Tag = ReturnType<(typeof tag)['parse']>

const shard = struct('Shard', {
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

const childShard = struct('ChildShard', {
  shardId: text({ max: 128 }),
  parentShards: list(text({ max: 128 }), { max: 2 }),
  startingHashKey: hashKey,
  endingHashKey: hashKey,
})
export type ChildShard = ReturnType<(typeof childShard)['parse']>

const streamSummary = struct('StreamSummary', {
  streamName,
  streamStatus: word(streamStates),
  streamMode: word(streamModes),
  streamCreationTimestamp: millis,
})
export type StreamSummary = ReturnType<(typeof streamSummary)['parse']>

const streamFields = {
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

const shardFilter = struct('ShardFilter', {
  type: word(shardFilterTypes),
  shardId: optional(shardIdText),
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

// --- streams and shards

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

export const deleteStream = operation(0x11, 'DeleteStream', { streamName }, {})

export const describeStream = operation(
  0x12,
  'DescribeStream',
  {
    streamName,
    /** Shards in the answer, 100 unless it is given. */
    limit: optional(uint(1, pageElementsMax)),
    exclusiveStartShardId: optional(shardIdText),
  },
  {
    ...streamFields,
    shards: list(shard, { max: describeStreamPageDefault * describeStreamPageDefault }),
    hasMoreShards: bool,
  },
)

export const describeStreamSummary = operation(
  0x13,
  'DescribeStreamSummary',
  { streamName },
  { ...streamFields, openShardCount: uint() },
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
    exclusiveStartShardId: optional(shardIdText),
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

// --- records

/**
 * What the three put operations begin with. After it comes their body, which is scanned natively
 * and never decoded here; PROTOCOL.md has its form.
 */
const putHead = { streamName, durability: optional(durability) }

/** A record as it is put: `[partitionKey, data]` (a frame has them as an array of these). */
export const putRecord = operation(
  0x20,
  'PutRecord',
  { ...putHead },
  { durability, shardId: text({ max: 128 }), sequenceNumber: u64() },
)

export const putRecords = operation(
  0x21,
  'PutRecords',
  { ...putHead },
  {
    durability,
    /** For each element of `shards` the number of the shard within the stream. */
    shardIndexes: list(uint(), { max: shardCountMax }),
  },
)

export const putBatch = operation(
  0x24,
  'PutBatch',
  { ...putHead },
  { durability, firstSequenceNumber: u64(), duplicate: bool },
)

export const getShardIterator = operation(
  0x22,
  'GetShardIterator',
  {
    streamName,
    shardId: shardIdText,
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
    putRecord,
    putRecords,
    getShardIterator,
    getRecords,
    putBatch,
  ].map((it): [number, Operation] => [it.opcode, it as unknown as Operation]),
)

// --- what the broker sends unasked

/** The first message on a connection. */
export const welcome = {
  opcode: 0x01,
  name: 'Welcome',
  fields: {
    protocolVersion: uint(1),
    brokerVersion: text({ max: 128 }),
    /** The largest message that the broker takes, in bytes. */
    frameBytesMax: uint(),
    requestsInFlightMax: uint(),
  },
} as const
export type Welcome = Struct<(typeof welcome)['fields']>
