/** The registered consumers, as the handlers of requests and the subscriptions need them. */

import type { Consumer } from '../../stream/consumer-table.ts'
import type { Stream } from '../../stream/stream.ts'
import type { StreamConsumers } from '../../stream/stream-consumers.ts'
import type { Streams } from '../../stream/streams.ts'
import { streamNotFound } from '../stream-errors.ts'
import { Checkpoints } from './checkpoints.ts'
import { LeaseKeeper } from './lease-keeper.ts'
import type { LeaseNow } from './leases.ts'

/** Told when a consumer was deregistered. */
export type OnDeregistered = (streamNumber: number, consumerName: string) => void

export class Consumers {
  readonly #streams: Streams
  readonly #listeners = new Set<OnDeregistered>()
  readonly checkpoints: Checkpoints
  readonly leases: LeaseKeeper

  /** `elapsed` is a clock that never goes back, in milliseconds. */
  constructor(streams: Streams, elapsed: () => number) {
    this.#streams = streams
    this.leases = new LeaseKeeper(streams.consumers, elapsed)
    this.checkpoints = new Checkpoints(streams.consumers, (consumer, shardIndex) =>
      this.leases.leaseOf(consumer, shardIndex),
    )
  }

  get stored(): StreamConsumers {
    return this.#streams.consumers
  }

  /**
   * A consumer and the stream that it reads. Throws a MillraceError: STREAM_NOT_FOUND, also of a
   * stream that is not ACTIVE yet or any more; CONSUMER_NOT_FOUND.
   */
  find(
    streamName: string,
    consumerName: string,
  ): { readonly stream: Stream; readonly consumer: Consumer } {
    const stream = this.#streams.serving(streamName)
    if (stream === undefined) throw streamNotFound(streamName)
    return { stream, consumer: this.stored.require(stream, consumerName) }
  }

  /** Throws a MillraceError, CONSUMER_NOT_FOUND, unless somebody can subscribe by this name. */
  checkSubscriber(streamName: string, consumerName: string): void {
    this.find(streamName, consumerName)
  }

  /**
   * The lease of a shard, also one that has expired and that nobody has taken yet; undefined where
   * there is none.
   */
  currentLease(
    streamNumber: number,
    consumerName: string,
    shardIndex: number,
  ): LeaseNow | undefined {
    const consumer = this.stored.find(streamNumber, consumerName)
    return consumer === undefined ? undefined : this.leases.leaseOf(consumer, shardIndex)
  }

  /** Rejects: STREAM_NOT_FOUND, CONSUMER_NOT_FOUND, LOG_FAILED. */
  async deregister(streamName: string, consumerName: string): Promise<void> {
    const { stream } = this.find(streamName, consumerName)
    await this.stored.deregister(stream, consumerName)
    for (const listener of this.#listeners) listener(stream.number, consumerName)
  }

  /** Tells of each consumer that is deregistered from now on; the answer ends it. */
  onDeregistered(listener: OnDeregistered): () => void {
    this.#listeners.add(listener)
    return () => this.#listeners.delete(listener)
  }
}
