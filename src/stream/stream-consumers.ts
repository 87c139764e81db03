/**
 * The registered consumers of the streams of a data directory: registering them, deregistering
 * them, and writing down what they have read. All of it is on disk when it answers.
 */

import { MillraceError } from '../errors.ts'
import * as limits from '../limits.ts'
import type { Tag } from '../wire/operations.ts'
import type { Consumer, ConsumerRecord } from './consumer-table.ts'
import { isServing, type Stream } from './stream.ts'
import type { ChangeOptions, StreamCatalog } from './stream-catalog.ts'
import { checkTags } from './tags.ts'

/** Names that an error message lists. */
const namesToldMax = 5

export class StreamConsumers {
  readonly #catalog: StreamCatalog
  readonly #now: () => number
  /** Of a stream. */
  readonly #countMax: number

  constructor(
    catalog: StreamCatalog,
    now: () => number,
    countMax: number = limits.consumersPerStreamMax,
  ) {
    this.#catalog = catalog
    this.#now = now
    this.#countMax = countMax
  }

  /** By name, ascending. */
  of(stream: Stream): Consumer[] {
    const consumers = this.#catalog.state.consumers.of(stream.number)
    return consumers.sort((a, b) => (a.name < b.name ? -1 : 1))
  }

  find(streamNumber: number, name: string): Consumer | undefined {
    return this.#catalog.state.consumers.find(streamNumber, name)
  }

  /** Throws a MillraceError, CONSUMER_NOT_FOUND. */
  require(stream: Stream, name: string): Consumer {
    const consumer = this.find(stream.number, name)
    if (consumer === undefined) throw consumerNotFound(stream.name, name)
    return consumer
  }

  /**
   * Throws a MillraceError, CONSUMER_NOT_FOUND, for a registration that is over, also when there is
   * another one of its name.
   */
  requireCurrent(consumer: Consumer): void {
    if (this.find(consumer.streamNumber, consumer.name) === consumer) return
    const stream = this.streamOf(consumer)
    throw consumerNotFound(stream?.name ?? `number ${consumer.streamNumber}`, consumer.name)
  }

  /** The stream that it reads, as it is now; undefined where that was deleted. */
  streamOf(consumer: Consumer): Stream | undefined {
    return this.#catalog.state.byNumber(consumer.streamNumber)
  }

  /** No lease that was ever given has a higher counter. */
  get highestLeaseCounter(): bigint {
    return this.#catalog.state.consumers.highestCounter
  }

  /** Throws a MillraceError, STREAM_IN_USE, that names the consumers of a stream that has any. */
  checkNone(stream: Stream): void {
    const names = this.of(stream).map((it) => it.name)
    if (names.length === 0) return
    const more = names.length > namesToldMax ? ` and ${names.length - namesToldMax} more` : ''
    const told = names.slice(0, namesToldMax).join(', ') + more
    throw new MillraceError(
      'STREAM_IN_USE',
      `Stream ${stream.name} has consumers: ${told}. ` +
        'Deregister them first, or have them deleted, too (enforceConsumerDeletion, ' +
        '--with-consumers).',
    )
  }

  /**
   * Rejects: CONSUMER_EXISTS, LIMIT_EXCEEDED, INVALID_ARGUMENT (tags), STREAM_IN_USE, DISK_FULL,
   * LOG_FAILED.
   */
  async register(stream: Stream, name: string, tags: readonly Tag[]): Promise<Consumer> {
    checkTags(stream.name, tags, 'add')
    const { state } = this.#catalog
    await this.#catalog.change(() => {
      const now = state.byNumber(stream.number)
      if (now === undefined || !isServing(now)) throw streamGone(stream.name)
      const consumers = state.consumers.of(stream.number)
      if (consumers.some((it) => it.name === name)) throw consumerExists(stream.name, name)
      if (consumers.length >= this.#countMax) throw tooMany(stream.name, name, this.#countMax)
      const createdMillis = this.#now()
      const streamNumber = stream.number
      return [{ kind: 'consumerRegistered', streamNumber, consumerName: name, createdMillis, tags }]
    })
    return this.require(stream, name)
  }

  /** Its checkpoints and leases go with it. Rejects: CONSUMER_NOT_FOUND, LOG_FAILED. */
  async deregister(stream: Stream, name: string): Promise<void> {
    await this.#catalog.change(
      () => {
        this.require(stream, name)
        const streamNumber = stream.number
        return [{ kind: 'consumerDeregistered', streamNumber, consumerName: name }]
      },
      { usesReserve: true },
    )
  }

  /**
   * Writes down what `decide` says, given what the state is when all earlier changes are done; what
   * it throws is the answer. Rejects also: DISK_FULL, LOG_FAILED.
   */
  async write(
    decide: () => readonly ConsumerRecord[],
    options: Pick<ChangeOptions, 'isUrgent'> = {},
  ): Promise<void> {
    await this.#catalog.change(decide, options)
  }
}

function consumerNotFound(streamName: string, name: string): MillraceError {
  return new MillraceError(
    'CONSUMER_NOT_FOUND',
    `Consumer ${name} of stream ${streamName} not found.`,
  )
}

function consumerExists(streamName: string, name: string): MillraceError {
  return new MillraceError(
    'CONSUMER_EXISTS',
    `Consumer ${name} of stream ${streamName} already exists.`,
  )
}

function tooMany(streamName: string, name: string, countMax: number): MillraceError {
  return new MillraceError(
    'LIMIT_EXCEEDED',
    `Stream ${streamName} has as many consumers as it can, ${countMax} ` +
      `(consumersPerStreamMax): consumer ${name} was not registered. Deregister one that is ` +
      'not needed.',
  )
}

function streamGone(name: string): MillraceError {
  return new MillraceError('STREAM_IN_USE', `Stream ${name} is being deleted.`)
}
