/**
 * The operations of registered consumers, of their checkpoints and of the leases of their workers,
 * as users call them: a part of the verbs, and verbs.ts says what they have in common.
 */

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
import type { CallOptions, Exchange } from './exchange.ts'
import type { AnswerOf, Operation, RequestOf } from './operation.ts'
import type { Checkpoint, ConsumerDescription, HeldLease, LeaseState } from './structures.ts'

/** What an operation of a consumer takes besides the names. */
type Rest<Op extends Operation> = Omit<RequestOf<Op>, 'streamName' | 'consumerName'>

const repeatable = true
const once = false

export class ConsumerVerbs {
  readonly #exchange: Exchange

  constructor(exchange: Exchange) {
    this.#exchange = exchange
  }

  /**
   * Registers a consumer of a stream: a name under which it is read, with checkpoints and leases of
   * its own. It is ACTIVE when this answers. Rejects: STREAM_NOT_FOUND, STREAM_IN_USE,
   * CONSUMER_EXISTS, LIMIT_EXCEEDED (20 to a stream), DISK_FULL, LOG_FAILED.
   */
  registerStreamConsumer(
    streamName: string,
    consumerName: string,
    request: Rest<typeof registerStreamConsumer> = {},
    options: CallOptions = {},
  ): Promise<ConsumerDescription> {
    const wanted = { ...request, streamName, consumerName }
    return this.#call(registerStreamConsumer, wanted, once, options)
  }

  /** A consumer by its name. Rejects: STREAM_NOT_FOUND, CONSUMER_NOT_FOUND. */
  describeStreamConsumer(
    streamName: string,
    consumerName: string,
    options: CallOptions = {},
  ): Promise<AnswerOf<typeof describeStreamConsumer>> {
    return this.#call(describeStreamConsumer, { streamName, consumerName }, repeatable, options)
  }

  /**
   * A page of the consumers of a stream, by name. With a `nextToken` the name is not sent: the
   * token has it. Rejects: STREAM_NOT_FOUND, NEXT_TOKEN_EXPIRED.
   */
  listStreamConsumers(
    streamName: string,
    request: Omit<RequestOf<typeof listStreamConsumers>, 'streamName'> = {},
    options: CallOptions = {},
  ): Promise<AnswerOf<typeof listStreamConsumers>> {
    const named = request.nextToken === undefined ? { ...request, streamName } : request
    return this.#call(listStreamConsumers, named, repeatable, options)
  }

  /**
   * Ends a consumer: its subscriptions end, its checkpoints and leases are gone. Rejects:
   * STREAM_NOT_FOUND, CONSUMER_NOT_FOUND, LOG_FAILED.
   */
  async deregisterStreamConsumer(
    streamName: string,
    consumerName: string,
    options: CallOptions = {},
  ): Promise<void> {
    await this.#call(deregisterStreamConsumer, { streamName, consumerName }, once, options)
  }

  /**
   * How far a consumer has read the shards of the stream; shards without a checkpoint are not among
   * them. Rejects: STREAM_NOT_FOUND, CONSUMER_NOT_FOUND.
   */
  async getCheckpoints(
    streamName: string,
    consumerName: string,
    options: CallOptions = {},
  ): Promise<readonly Checkpoint[]> {
    const names = { streamName, consumerName }
    return (await this.#call(getCheckpoints, names, repeatable, options)).checkpoints
  }

  /**
   * Notes that a consumer goes on in a shard at `nextSequenceNumber` or, without it, that the shard
   * is closed and was read to its end. On disk when this answers. Rejects: LEASE_LOST (the shard is
   * leased, and `leaseCounter` is not that of the lease), CHECKPOINT_REGRESSED (a later one is
   * stored), SEQUENCE_NUMBER_IN_FUTURE, SHARD_NOT_FOUND, STREAM_NOT_FOUND, CONSUMER_NOT_FOUND,
   * DISK_FULL, LOG_FAILED.
   */
  async setCheckpoint(
    streamName: string,
    consumerName: string,
    request: Rest<typeof setCheckpoint>,
    options: CallOptions = {},
  ): Promise<void> {
    await this.#call(setCheckpoint, { ...request, streamName, consumerName }, repeatable, options)
  }

  /**
   * Asks for the leases that a worker lacks to its share of the shards; from the answer on those
   * that it names are the worker's, for `leaseMillis` since the last renewal. Rejects:
   * STREAM_NOT_FOUND, CONSUMER_NOT_FOUND, LIMIT_EXCEEDED (workers), DISK_FULL, LOG_FAILED. After
   * CONNECTION_LOST `listLeases` tells what was acquired.
   */
  acquireLeases(
    streamName: string,
    consumerName: string,
    request: Rest<typeof acquireLeases>,
    options: CallOptions = {},
  ): Promise<AnswerOf<typeof acquireLeases>> {
    return this.#call(acquireLeases, { ...request, streamName, consumerName }, once, options)
  }

  /**
   * Renews leases of a worker, and answers those that are not its any more: it stops working on
   * these shards. Rejects: STREAM_NOT_FOUND, CONSUMER_NOT_FOUND.
   */
  async renewLeases(
    streamName: string,
    consumerName: string,
    request: Rest<typeof renewLeases>,
    options: CallOptions = {},
  ): Promise<readonly HeldLease[]> {
    const wanted = { ...request, streamName, consumerName }
    return (await this.#call(renewLeases, wanted, repeatable, options)).lost
  }

  /**
   * Gives a lease back, for others to take at once. Rejects: LEASE_LOST, STREAM_NOT_FOUND,
   * CONSUMER_NOT_FOUND, DISK_FULL, LOG_FAILED.
   */
  async releaseLease(
    streamName: string,
    consumerName: string,
    request: Rest<typeof releaseLease>,
    options: CallOptions = {},
  ): Promise<void> {
    await this.#call(releaseLease, { ...request, streamName, consumerName }, once, options)
  }

  /**
   * Which worker has the lease of which shard, also leases that have expired and that nobody has
   * taken yet. Rejects: STREAM_NOT_FOUND, CONSUMER_NOT_FOUND.
   */
  async listLeases(
    streamName: string,
    consumerName: string,
    options: CallOptions = {},
  ): Promise<readonly LeaseState[]> {
    const names = { streamName, consumerName }
    return (await this.#call(listLeases, names, repeatable, options)).leases
  }

  #call<Op extends Operation>(
    operation: Op,
    request: RequestOf<Op>,
    isRepeatable: boolean,
    options: CallOptions,
  ): Promise<AnswerOf<Op>> {
    return this.#exchange.call(operation, request, { ...options, repeatable: isRepeatable })
  }
}
