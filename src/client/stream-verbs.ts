/**
 * The operations, and what takes many of them: a producer and a reader. It works over any Exchange,
 * so that a broker in the same process has the same face as one behind a socket.
 */

import type { StreamStatus } from '../wire/operations.ts'
import { type CallOptions, Verbs } from '../wire/verbs.ts'
import { type Clock, systemClock } from './clock.ts'
import { Consumer } from './consumer.ts'
import { type ConsumeOptions, consumeSettings } from './consumer-options.ts'
import { Producer } from './producer.ts'
import { type ProducerOptions, producerSettings } from './producer-options.ts'
import type { PushExchange } from './push-exchange.ts'
import { StreamReader } from './reader.ts'
import { type ReadOptions, readerSettings } from './reader-options.ts'
import { sleep } from './sleep.ts'
import { StreamSubscription } from './stream-subscription.ts'
import { type SubscribeOptions, subscribeSettings } from './subscribe-options.ts'

/** How often it is asked what state a stream is in. */
const statusMillisFirst = 2
const statusMillisMax = 100

export class StreamVerbs extends Verbs {
  readonly #exchange: PushExchange
  readonly #clock: Clock

  readonly #frameBytesMax: number

  /** `frameBytesMax` is the largest frame that the broker takes. */
  constructor(exchange: PushExchange, frameBytesMax: number, clock: Clock = systemClock) {
    super(exchange)
    this.#exchange = exchange
    this.#frameBytesMax = frameBytesMax
    this.#clock = clock
  }

  /**
   * Creates a stream (4 shards, ON_DEMAND, unless told otherwise) and answers when it is ACTIVE.
   * Rejects: STREAM_EXISTS, LIMIT_EXCEEDED, DISK_FULL, LOG_FAILED.
   */
  override async createStream(
    streamName: string,
    request: Parameters<Verbs['createStream']>[1] = {},
    options: CallOptions = {},
  ): Promise<void> {
    await super.createStream(streamName, request, options)
    await this.#until(streamName, (status) => status !== 'CREATING', options)
  }

  /**
   * Answers when a stream is ACTIVE, with how it is then: it is UPDATING while its shards change.
   * Rejects: STREAM_NOT_FOUND.
   *
   * ```ts
   * await client.splitShard('orders', { shardToSplit: '0' })
   * await client.untilActive('orders')
   * ```
   */
  untilActive(
    streamName: string,
    options: CallOptions = {},
  ): ReturnType<Verbs['describeStreamSummary']> {
    return this.#until(streamName, (status) => status === 'ACTIVE', options)
  }

  async #until(
    streamName: string,
    isWanted: (status: StreamStatus) => boolean,
    options: CallOptions,
  ): ReturnType<Verbs['describeStreamSummary']> {
    for (let millis = statusMillisFirst; ; millis = Math.min(2 * millis, statusMillisMax)) {
      const summary = await this.describeStreamSummary(streamName, options)
      if (isWanted(summary.streamStatus)) return summary
      await sleep(this.#clock, millis, options.signal)
    }
  }

  /**
   * Collects records for a stream into requests. Throws a RangeError or a TypeError for an option
   * out of its bounds, and a MillraceError, INVALID_ARGUMENT, for what cannot be a stream's name.
   *
   * ```ts
   * const producer = client.producer('orders')
   * for (const order of orders) await producer.put({ key: order.customer, data: encode(order) })
   * await producer.close()
   * ```
   */
  producer(streamName: string, options: ProducerOptions = {}): Producer {
    const settings = producerSettings(options, this.#frameBytesMax)
    return new Producer({
      exchange: this.#exchange,
      clock: this.#clock,
      streamName,
      settings,
      newId: randomId,
    })
  }

  /**
   * Reads a stream as the broker pushes it: an async iterator of batches, all shards at once, each
   * in order, records within a moment after they were put. It outlives lost connections and brokers
   * that restart, without a gap and without a repeat. A loop that is slow slows only itself: what
   * it does not take stays in the log of the broker. Throws a MillraceError, INVALID_ARGUMENT, or a
   * RangeError for an option out of its bounds.
   *
   * A connection carries one subscription of a shard: for a second one of the same client another
   * connection is opened, as it is where the credit of all of them would be more than 1 MiB.
   *
   * ```ts
   * for await (const batch of client.subscribe('orders', { from: saved ?? 'latest' })) {
   *   for (const record of batch) handle(record.partitionKey, record.data)
   *   saved = batch.resumeToken
   * }
   * ```
   */
  subscribe(streamName: string, options: SubscribeOptions = {}): StreamSubscription {
    const settings = subscribeSettings(options, streamName)
    const { signal } = options
    const exchange = this.#exchange
    const clock = this.#clock
    return new StreamSubscription({ exchange, verbs: this, clock, streamName, settings, signal })
  }

  /**
   * Reads a stream together with the other workers of a consumer: they share its shards among
   * themselves, and the broker keeps their checkpoints. It is an async iterator of batches. A
   * worker that is gone is replaced once its leases expire, and one that comes gets its share.
   * **Each record is delivered at least once**: what a worker has not checkpointed comes again,
   * to whoever has the shard then. A shard is read after all of its parents. Throws a
   * MillraceError, INVALID_ARGUMENT, or a RangeError for an option out of its bounds.
   *
   * ```ts
   * const consumer = client.consume('orders', { consumer: 'billing' })
   * for await (const batch of consumer) {
   *   for (const record of batch) await bill(record.partitionKey, record.data)
   * }
   * ```
   */
  consume(streamName: string, options: ConsumeOptions): Consumer {
    const settings = consumeSettings(options, () => randomId().toString(16))
    const { signal } = options
    const exchange = this.#exchange
    const clock = this.#clock
    return new Consumer({ exchange, verbs: this, clock, streamName, settings, signal })
  }

  /**
   * Reads a stream by asking for records again and again (GetRecords): all shards at once, as an
   * async iterator of batches; each shard in order. It outlives lost connections and brokers that
   * restart. Throws a MillraceError, INVALID_ARGUMENT, or a RangeError for an option out of its
   * bounds.
   *
   * ```ts
   * for await (const batch of client.read('orders', { from: saved ?? 'oldest' })) {
   *   for (const record of batch) handle(record.partitionKey, record.data)
   *   saved = batch.resumeToken
   * }
   * ```
   */
  read(streamName: string, options: ReadOptions = {}): StreamReader {
    const settings = readerSettings(options, streamName)
    const { signal } = options
    return new StreamReader({ verbs: this, clock: this.#clock, streamName, settings, signal })
  }
}

/** Unsigned, 64 bits, and not 0, which means no producer. */
function randomId(): bigint {
  const [id = 0n] = crypto.getRandomValues(new BigUint64Array(1))
  return id === 0n ? randomId() : id
}
