/**
 * The operations as users call them, over anything that carries requests to a broker: a socket, or
 * a broker in the same process. What works on one works on the other. No sockets and no timers.
 *
 * Every method rejects with a MillraceError when the operation fails. Besides the codes that a
 * method names there are those that any can have: INVALID_ARGUMENT and PROTOCOL_VIOLATION (a field
 * out of its bounds, or of another type), LIMIT_EXCEEDED (too many requests at once),
 * SERVER_CLOSING, CLIENT_CLOSED, INTERNAL and, over a socket, CONNECTION_LOST: whether the request
 * was carried out is then not known. An aborted `signal` rejects with its reason.
 */

import type { MillraceError } from '../errors.ts'
import type { CallOptions, Exchange } from './exchange.ts'
import {
  type AnswerOf,
  addTagsToStream,
  createStream,
  deleteStream,
  describeStream,
  describeStreamSummary,
  type durabilities,
  getRecords,
  getShardIterator,
  listShards,
  listStreams,
  listTagsForStream,
  type Operation,
  putRecord,
  putRecords,
  type RequestOf,
  removeTagsFromStream,
  type Tag,
} from './operations.ts'
import { decodePutRecord, decodePutRecords, encodePut } from './put-verbs.ts'
import { RecordWindow } from './record-window.ts'
import { ReshardVerbs } from './reshard-verbs.ts'

export type { CallOptions, Exchange, ExchangeOptions } from './exchange.ts'

export interface DeleteStreamOptions extends CallOptions {
  /** Whether the registered consumers of the stream go with it. */
  readonly enforceConsumerDeletion?: boolean | undefined
}

/** What an acknowledgement means: survives a power cut (`disk`), or the process alone (`os`). */
export type Durability = (typeof durabilities)[number]

/** A record to be put. */
export interface RecordInput {
  /**
   * The partition key: 1 to 256 characters. Records of one key keep their order. Those of a stream
   * in ON_DEMAND mode can have none: they are spread over its shards, request by request.
   */
  readonly key?: string | undefined
  readonly data: Uint8Array
  /** Routes the record instead of the key: 0 to 2^128-1. */
  readonly explicitHashKey?: bigint | undefined
}

export interface PutOptions extends CallOptions {
  /** `disk` unless it is given. */
  readonly durability?: Durability | undefined
  /**
   * Makes the put idempotent: a repeat under the same two numbers gets the first answer, and so it
   * is repeated after a lost connection. `id` is drawn at random by the producer and is not 0;
   * `sequence` counts its requests upward, below 2^32.
   */
  readonly producer?: { readonly id: bigint; readonly sequence: number } | undefined
}

/** The acknowledgement of a record. */
export interface PutAnswer {
  readonly shardId: string
  readonly sequenceNumber: bigint
  /** What the acknowledgement means. */
  readonly durability: Durability
}

/** What became of one record of a putRecords call: it has either a sequence number or an error. */
export interface PutRecordResult {
  readonly shardId: string
  readonly sequenceNumber?: bigint
  readonly error?: MillraceError
}

export interface PutRecordsAnswer {
  /** What the acknowledgement of those that were not refused means. */
  readonly durability: Durability
  readonly failedRecordCount: number
  /** In the order of the call. */
  readonly records: readonly PutRecordResult[]
}

export interface GetRecordsAnswer {
  /** Decoded as they are asked for; can be gone through any number of times. */
  readonly records: RecordWindow
  readonly recordCount: number
  /** Missing at the end of a closed shard. */
  readonly nextShardIterator?: string | undefined
  readonly millisBehindLatest: number
  /** At the end of a closed shard: those that follow it. */
  readonly childShards: AnswerOf<typeof getRecords>['childShards']
}

type Rest<Op extends Operation> = Omit<RequestOf<Op>, 'streamName'>

const repeatable = true
const once = false

/** The operations, over an Exchange. */
export class Verbs extends ReshardVerbs {
  readonly #exchange: Exchange

  constructor(exchange: Exchange) {
    super(exchange)
    this.#exchange = exchange
  }

  /**
   * Creates a stream (4 shards, ON_DEMAND, unless told otherwise); it is on disk and ACTIVE, or
   * CREATING and soon ACTIVE, when this answers. Rejects: STREAM_EXISTS, LIMIT_EXCEEDED, DISK_FULL,
   * LOG_FAILED.
   */
  async createStream(
    streamName: string,
    request: Rest<typeof createStream> = {},
    options: CallOptions = {},
  ): Promise<void> {
    await this.#call(createStream, { ...request, streamName }, once, options)
  }

  /**
   * Deletes a stream and its records. One that has registered consumers is STREAM_IN_USE, unless
   * they go with it: `enforceConsumerDeletion`. Rejects: STREAM_NOT_FOUND, STREAM_IN_USE,
   * LOG_FAILED.
   */
  async deleteStream(streamName: string, options: DeleteStreamOptions = {}): Promise<void> {
    const { enforceConsumerDeletion, ...rest } = options
    await this.#call(deleteStream, { streamName, enforceConsumerDeletion }, once, rest)
  }

  /** A stream and a page of its shards. Rejects: STREAM_NOT_FOUND. */
  describeStream(
    streamName: string,
    request: Rest<typeof describeStream> = {},
    options: CallOptions = {},
  ): Promise<AnswerOf<typeof describeStream>> {
    return this.#call(describeStream, { ...request, streamName }, repeatable, options)
  }

  /** A stream without its shards. Rejects: STREAM_NOT_FOUND. */
  describeStreamSummary(
    streamName: string,
    options: CallOptions = {},
  ): Promise<AnswerOf<typeof describeStreamSummary>> {
    return this.#call(describeStreamSummary, { streamName }, repeatable, options)
  }

  /** A page of the streams, by name. Rejects: NEXT_TOKEN_EXPIRED. */
  listStreams(
    request: RequestOf<typeof listStreams> = {},
    options: CallOptions = {},
  ): Promise<AnswerOf<typeof listStreams>> {
    return this.#call(listStreams, request, repeatable, options)
  }

  /**
   * A page of the shards of a stream, all or those that a filter names. With a `nextToken` the name
   * is not sent: the token has it. Rejects: STREAM_NOT_FOUND, SHARD_NOT_FOUND, NEXT_TOKEN_EXPIRED.
   */
  listShards(
    streamName: string,
    request: Rest<typeof listShards> = {},
    options: CallOptions = {},
  ): Promise<AnswerOf<typeof listShards>> {
    const named = request.nextToken === undefined ? { ...request, streamName } : request
    return this.#call(listShards, named, repeatable, options)
  }

  /** Adds tags or gives them new values. Rejects: STREAM_NOT_FOUND, LIMIT_EXCEEDED. */
  async addTagsToStream(
    streamName: string,
    tags: readonly Tag[],
    options: CallOptions = {},
  ): Promise<void> {
    await this.#call(addTagsToStream, { streamName, tags }, once, options)
  }

  /** Removes tags; those that are not there are no error. Rejects: STREAM_NOT_FOUND. */
  async removeTagsFromStream(
    streamName: string,
    tagKeys: readonly string[],
    options: CallOptions = {},
  ): Promise<void> {
    await this.#call(removeTagsFromStream, { streamName, tagKeys }, once, options)
  }

  /** A page of the tags of a stream, by key. Rejects: STREAM_NOT_FOUND. */
  listTagsForStream(
    streamName: string,
    request: Rest<typeof listTagsForStream> = {},
    options: CallOptions = {},
  ): Promise<AnswerOf<typeof listTagsForStream>> {
    return this.#call(listTagsForStream, { ...request, streamName }, repeatable, options)
  }

  /**
   * Puts one record and answers when it is acknowledged. Rejects: STREAM_NOT_FOUND, STREAM_IN_USE,
   * RECORD_TOO_LARGE, THROUGHPUT_EXCEEDED, PRODUCER_SEQUENCE_GAP, DISK_FULL, LOG_FAILED; with a
   * RangeError or a TypeError for a record that is none.
   */
  async put(streamName: string, record: RecordInput, options: PutOptions = {}): Promise<PutAnswer> {
    return decodePutRecord(
      await this.#put(
        (requestId) => encodePut(putRecord, requestId, streamName, [record], options),
        options,
      ),
    )
  }

  /**
   * Puts 1 to 500 records, 10 MiB at most. Records are refused one by one: the call succeeds, and
   * the answer says which were refused and why. Rejects with nothing put: STREAM_NOT_FOUND,
   * STREAM_IN_USE, RECORD_TOO_LARGE, LIMIT_EXCEEDED; LOG_FAILED leaves the outcome open.
   */
  async putRecords(
    streamName: string,
    records: readonly RecordInput[],
    options: PutOptions = {},
  ): Promise<PutRecordsAnswer> {
    return decodePutRecords(
      await this.#put(
        (requestId) => encodePut(putRecords, requestId, streamName, records, options),
        options,
      ),
      streamName,
    )
  }

  /**
   * A place to read from in one shard. Rejects: STREAM_NOT_FOUND, SHARD_NOT_FOUND,
   * SEQUENCE_NUMBER_IN_FUTURE.
   */
  async getShardIterator(
    streamName: string,
    request: Rest<typeof getShardIterator>,
    options: CallOptions = {},
  ): Promise<string> {
    const wanted = { ...request, streamName }
    return (await this.#call(getShardIterator, wanted, repeatable, options)).shardIterator
  }

  /**
   * Up to `limit` (10,000) records and 10 MiB from an iterator on. Rejects: ITERATOR_EXPIRED,
   * STREAM_NOT_FOUND, THROUGHPUT_EXCEEDED, LOG_CORRUPT.
   */
  async getRecords(
    shardIterator: string,
    request: Omit<RequestOf<typeof getRecords>, 'shardIterator'> = {},
    options: CallOptions = {},
  ): Promise<GetRecordsAnswer> {
    const wanted = { ...request, shardIterator }
    const answer = await this.#call(getRecords, wanted, repeatable, options)
    const { slice, firstSequenceNumber, ...rest } = answer
    const { recordCount } = answer
    return { ...rest, records: new RecordWindow({ slice, firstSequenceNumber, recordCount }) }
  }

  #call<Op extends Operation>(
    operation: Op,
    request: RequestOf<Op>,
    isRepeatable: boolean,
    options: CallOptions,
  ): Promise<AnswerOf<Op>> {
    return this.#exchange.call(operation, request, { ...options, repeatable: isRepeatable })
  }

  #put(makeFrame: (requestId: number) => Uint8Array, options: PutOptions): Promise<Uint8Array> {
    const { signal, timeoutMillis, producer } = options
    return this.#exchange.put(makeFrame, {
      signal,
      timeoutMillis,
      repeatable: producer !== undefined,
    })
  }
}
