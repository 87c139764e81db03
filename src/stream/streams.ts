/**
 * The streams of a data directory: creating them, deleting them, and finding them. A creation and a
 * deletion are each several steps on disk; a step that was done is in the catalog, and an open does
 * those that are left.
 */

import { MillraceError } from '../errors.ts'
import {
  recordBytesMaxDefault,
  retentionHoursDefault,
  shardCountDefault,
  shardsOfDirectoryMax,
} from '../limits.ts'
import type { Log, SequenceNumber, ShardId } from '../log/log.ts'
import type { Shard } from '../shard/shard.ts'
import type { createStream, RequestOf } from '../wire/operations.ts'
import type { CatalogRecord } from './catalog-records.ts'
import { shardRecords } from './catalog-state.ts'
import { uniformHashRanges } from './hash-ranges.ts'
import { createNamed, deleteInParts, deleteUnnamed } from './named-shards.ts'
import { Resharding } from './reshard.ts'
import { Retention } from './retention.ts'
import { Scaling, type ScalingEvent } from './scaling/scaling.ts'
import { type ScalingSettings, scalingSettings } from './scaling/settings.ts'
import { StreamSettings } from './settings.ts'
import { machineClock, type SteadyClock } from './steady-clock.ts'
import { isServing, type Stream, shardsInLog } from './stream.ts'
import { type CatalogOptions, StreamCatalog } from './stream-catalog.ts'
import { StreamConsumers } from './stream-consumers.ts'
import { type KeySource, StreamEncryption } from './stream-encryption.ts'
import type { StreamHost } from './stream-host.ts'
import { StreamMonitoring } from './stream-monitoring.ts'
import { StreamWork } from './stream-work.ts'
import { checkTags } from './tags.ts'

export interface StreamsOptions extends CatalogOptions {
  readonly now: () => number
  /** What retention counts with; the machine's unless told otherwise. */
  readonly steadyClock?: SteadyClock
  /** Whether somebody is reading a shard; nobody is unless told otherwise. */
  readonly isBeingRead?: (shard: ShardId) => boolean
  /** What streams can be encrypted with; there are none unless it is given. */
  readonly keys?: KeySource
  /** Told when a stream begins and ceases to take records, and when its shards change. */
  readonly onServing: (stream: Stream) => void
  /** Told of steps that failed in the background. */
  readonly onError: (error: unknown) => void
  /** When streams in ON_DEMAND mode change their shards; see settings.ts of scaling. */
  readonly scaling?: Partial<ScalingSettings>
  /** Told when they do. */
  readonly onScaling?: (event: ScalingEvent) => void
  /** Milliseconds of a clock that never goes back; `performance.now` unless told otherwise. */
  readonly elapsed?: () => number
  /** How often UpdateShardCount works for a stream within 24 hours, 1 to 1000; 10 by default. */
  readonly shardCountUpdatesPerDay?: number | undefined
  readonly consumersPerStreamMax?: number | undefined
}

/** Of streams of which none is encrypted. */
const noKeys: KeySource = {
  reload: async () => undefined,
  require: (keyId) => {
    throw new MillraceError('KEY_NOT_FOUND', `There are no keys, and so no key ${keyId}.`)
  },
}

/** Of the changes that belong to a deletion. */
const freesSpace = { usesReserve: true }

export class Streams {
  readonly #log: Log
  readonly #catalog: StreamCatalog
  readonly #options: StreamsOptions
  readonly #work: StreamWork
  readonly consumers: StreamConsumers
  readonly retention: Retention
  readonly settings: StreamSettings
  readonly monitoring: StreamMonitoring
  readonly encryption: StreamEncryption
  readonly resharding: Resharding
  readonly scaling: Scaling
  /** Streams for which a deletion has been asked, before it is in the catalog. */
  readonly #doomed = new Set<number>()
  /** Of streams that are serving: where each shard of the log belongs. */
  readonly #byShard = new Map<ShardId, { readonly stream: number; readonly index: number }>()

  /**
   * Rejects: CATALOG_UNREADABLE when the catalog and the log do not fit together, with nothing
   * changed; FORMAT_UNSUPPORTED; INVALID_ARGUMENT for settings that contradict each other; and what
   * the log rejects with.
   */
  static async open(log: Log, options: StreamsOptions): Promise<Streams> {
    scalingSettings(options.scaling)
    const catalog = await StreamCatalog.open(log, options)
    const left = await deleteUnnamed(log, catalog, options.onError)
    const streams = new Streams(log, catalog, options)
    streams.retention.deleteLater(left)
    for (const stream of catalog.state.streams) {
      if (isServing(stream)) streams.#serve(stream)
      if (stream.status !== 'ACTIVE') streams.#work.start(stream.number)
    }
    await streams.retention.start()
    streams.scaling.start()
    return streams
  }

  private constructor(log: Log, catalog: StreamCatalog, options: StreamsOptions) {
    this.#log = log
    this.#catalog = catalog
    this.#options = options
    this.#work = new StreamWork((number) => this.#step(number), options.onError)
    this.consumers = new StreamConsumers(catalog, options.now, options.consumersPerStreamMax)
    const host = this.#host()
    this.retention = new Retention(host, {
      steadyClock: options.steadyClock ?? machineClock(),
      isBeingRead: options.isBeingRead ?? (() => false),
      onError: options.onError,
    })
    this.settings = new StreamSettings(host, this.retention)
    this.monitoring = new StreamMonitoring(host)
    this.encryption = new StreamEncryption(host, options.keys ?? noKeys)
    this.resharding = new Resharding(host, {
      checkRoom: (count) => this.#checkShardLimit(count),
      updatesPerDay: options.shardCountUpdatesPerDay,
    })
    this.scaling = new Scaling(host, {
      settings: scalingSettings(options.scaling),
      elapsed: options.elapsed ?? (() => performance.now()),
      reshard: (stream, replacements) => this.resharding.replace(stream, replacements),
      onEvent: options.onScaling ?? (() => undefined),
      onError: options.onError,
    })
  }

  /** A secret of the data directory, to sign with. */
  get instanceKey(): Uint8Array {
    return this.#catalog.instanceKey
  }

  get all(): Iterable<Stream> {
    return this.#catalog.state.streams
  }

  /** Throws a MillraceError, STREAM_NOT_FOUND. */
  require(name: string): Stream {
    const stream = this.#catalog.state.byName(name)
    if (stream === undefined) {
      throw new MillraceError('STREAM_NOT_FOUND', `Stream ${name} not found.`)
    }
    return stream
  }

  /** A stream whose records can be read; undefined for one that is not there (yet, or any more). */
  serving(name: string): Stream | undefined {
    const stream = this.#catalog.state.byName(name)
    return stream !== undefined && this.#isServing(stream) ? stream : undefined
  }

  /** ... and not another one of its name. Throws a MillraceError, STREAM_NOT_FOUND. */
  requireCreatedAt(name: string, createdMillis: number | undefined): Stream {
    const stream = this.require(name)
    if (createdMillis === undefined || createdMillis === stream.createdMillis) return stream
    throw new MillraceError(
      'STREAM_NOT_FOUND',
      `Stream ${name} with the creation timestamp ${createdMillis} not found.`,
    )
  }

  /** The stream of a next token. Throws a MillraceError, STREAM_NOT_FOUND. */
  requireNumbered(name: string, number: number): Stream {
    const stream = this.require(name)
    if (stream.number === number) return stream
    throw new MillraceError('STREAM_NOT_FOUND', `Stream ${name} of this NextToken was deleted.`)
  }

  /** A stream that is serving. Throws a MillraceError: STREAM_NOT_FOUND, STREAM_IN_USE. */
  requireServing(name: string): Stream {
    const stream = this.require(name)
    if (this.#isServing(stream)) return stream
    throw notActive(name, this.#doomed.has(stream.number) ? 'DELETING' : stream.status)
  }

  /** A shard by its number in the log, while its stream is serving. */
  findShard(number: ShardId): { readonly stream: Stream; readonly shard: Shard } | undefined {
    const place = this.#byShard.get(number)
    if (place === undefined) return undefined
    const stream = this.#catalog.state.byNumber(place.stream)
    const shard = stream?.shards.get(place.index)
    if (stream === undefined || shard === undefined || !this.#isServing(stream)) return undefined
    return { stream, shard }
  }

  /**
   * Answers when the creation is in the catalog; the stream is ACTIVE some time after it. Rejects:
   * STREAM_EXISTS, LIMIT_EXCEEDED, INVALID_ARGUMENT (tags), DISK_FULL, LOG_FAILED.
   */
  async create(request: RequestOf<typeof createStream>): Promise<void> {
    const { state } = this.#catalog
    const name = request.streamName
    checkTags(name, request.tags ?? [], 'add')
    let streamNumber = 0
    await this.#catalog.change(() => {
      if (state.byName(name) !== undefined) {
        throw new MillraceError('STREAM_EXISTS', `Stream ${name} already exists.`)
      }
      const shardCount = request.shardCount ?? shardCountDefault
      this.#checkShardLimit(shardCount)
      streamNumber = state.nextStreamNumber
      return [
        // Retention counts from when there is something to be kept.
        ...(state.retentionTime === undefined ? [this.retention.record()] : []),
        {
          kind: 'streamCreated',
          streamNumber,
          streamName: name,
          createdMillis: this.#options.now(),
          streamMode: request.streamMode ?? 'ON_DEMAND',
          shardCount,
          retentionPeriodHours: retentionHoursDefault,
          recordBytesMax: request.recordBytesMax ?? recordBytesMaxDefault,
          firstSequenceNumber: state.firstSequenceNumber(name),
          tags: request.tags ?? [],
        },
      ]
    })
    this.#work.start(streamNumber)
  }

  /**
   * Answers when the deletion is in the catalog; from the call on nothing is put to the stream, and
   * nothing read from it. What is done to its shards meanwhile is dropped. A stream that has
   * consumers is STREAM_IN_USE, unless they go with it.
   * Rejects: STREAM_NOT_FOUND, STREAM_IN_USE, DISK_FULL, LOG_FAILED.
   */
  async delete(
    name: string,
    { withConsumers = false }: { readonly withConsumers?: boolean } = {},
  ): Promise<void> {
    const stream = this.#requireNotDeleting(name)
    const checkConsumers = () => {
      if (!withConsumers) this.consumers.checkNone(stream)
    }
    checkConsumers()
    this.#doom(stream)
    try {
      const endSequenceNumber = await this.#endOf(stream)
      await this.#catalog.change(() => {
        const now = this.#catalog.state.byNumber(stream.number)
        // What was created meanwhile has given no numbers yet: it never served.
        if (now === undefined) throw new MillraceError('STREAM_NOT_FOUND')
        // One may have been registered since.
        checkConsumers()
        return [{ kind: 'deletionBegun', streamNumber: stream.number, endSequenceNumber }]
      }, freesSpace)
    } catch (error) {
      this.#pardon(stream.number)
      throw error
    }
    this.#doomed.delete(stream.number)
    this.#forgetShards(stream.number)
    this.#work.start(stream.number)
  }

  /** Stops what goes on in the background, and waits for it. An open does what is left. */
  async close(): Promise<void> {
    await this.scaling.stop()
    await this.#work.stop()
    await this.retention.stop()
    await this.#catalog.settled()
  }

  #host(): StreamHost {
    const forget = (numbers: Iterable<bigint>) => {
      for (const number of numbers) this.#byShard.delete(number as ShardId)
    }
    return {
      log: this.#log,
      catalog: this.#catalog,
      now: this.#options.now,
      requireActive: (name) => this.#requireActive(name),
      requireNotDeleting: (name) => this.#requireNotDeleting(name),
      isServing: (stream) => this.#isServing(stream),
      changed: (number) => {
        const stream = this.#catalog.state.byNumber(number)
        if (stream !== undefined && this.#isServing(stream)) this.#serve(stream)
      },
      deleteLater: (numbers) => this.retention.deleteLater(numbers),
      forgetShards: forget,
      startWork: (number) => this.#work.start(number),
    }
  }

  #isServing(stream: Stream): boolean {
    return isServing(stream) && !this.#doomed.has(stream.number)
  }

  #requireNotDeleting(name: string): Stream {
    const stream = this.require(name)
    if (stream.status === 'DELETING' || this.#doomed.has(stream.number)) {
      throw notActive(name, 'DELETING')
    }
    return stream
  }

  #requireActive(name: string): Stream {
    const stream = this.#requireNotDeleting(name)
    if (stream.status !== 'ACTIVE') throw notActive(name, stream.status)
    return stream
  }

  #checkShardLimit(more: number): void {
    let count = 0
    for (const stream of this.#catalog.state.streams) {
      count += Math.max(shardsInLog(stream).length, stream.shardCount)
    }
    if (count + more <= shardsOfDirectoryMax) return
    throw new MillraceError(
      'LIMIT_EXCEEDED',
      'This request would exceed the shard limit of the data directory. ' +
        `Current shard count: ${count}. Limit: ${shardsOfDirectoryMax}. ` +
        `Number of additional shards: ${more}.`,
    )
  }

  #serve(stream: Stream): void {
    for (const { number, index } of stream.shards.values()) {
      this.#byShard.set(number, { stream: stream.number, index })
    }
    this.#options.onServing(stream)
  }

  #forgetShards(streamNumber: number): void {
    const stream = this.#catalog.state.byNumber(streamNumber)
    for (const { number } of stream?.shards.values() ?? []) this.#byShard.delete(number)
  }

  #doom(stream: Stream): void {
    this.#doomed.add(stream.number)
    this.#options.onServing({ ...stream, status: 'DELETING' })
  }

  #pardon(streamNumber: number): void {
    this.#doomed.delete(streamNumber)
    const stream = this.#catalog.state.byNumber(streamNumber)
    if (stream !== undefined && isServing(stream)) this.#serve(stream)
  }

  /** One past the highest number that a shard of the stream has given to a record. */
  async #endOf(stream: Stream): Promise<bigint> {
    let end: bigint = stream.firstSequenceNumber
    for (const { number } of shardsInLog(stream)) {
      const { nextSequenceNumber } = await this.#log.shardStats(number)
      if (nextSequenceNumber > end) end = nextSequenceNumber
    }
    return end
  }

  /** Brings a stream one state further; false when there is nothing to do for it. */
  async #step(number: number): Promise<boolean> {
    const stream = this.#catalog.state.byNumber(number)
    if (stream?.status === 'CREATING') await this.#finishCreation(stream)
    else if (stream?.status === 'DELETING') await this.#finishDeletion(stream)
    else if (stream?.reshard !== undefined) await this.resharding.step(stream, stream.reshard)
    else if (stream?.status === 'UPDATING') await this.settings.finish(stream)
    else return false
    return true
  }

  async #finishCreation(stream: Stream): Promise<void> {
    const firsts = Array.from({ length: stream.shardCount }, () => stream.firstSequenceNumber)
    const isActive = await createNamed(this.#host(), firsts, (numbers) => {
      const now = this.#catalog.state.byNumber(stream.number)
      return now?.status === 'CREATING' ? activationRecords(now, numbers) : []
    })
    const now = this.#catalog.state.byNumber(stream.number)
    // It may have been deleted meanwhile.
    if (isActive && now !== undefined && this.#isServing(now)) this.#serve(now)
  }

  async #finishDeletion(stream: Stream): Promise<void> {
    const present = new Set(await this.#log.listShards())
    const numbers = shardsInLog(stream).map((it) => it.number)
    const left = numbers.filter((it) => present.has(it))
    await deleteInParts(this.#log, left)
    const deleted = { kind: 'streamDeleted', streamNumber: stream.number } as const
    await this.#catalog.change(() => [deleted], freesSpace)
    this.retention.forget(stream)
  }
}

function activationRecords(stream: Stream, numbers: readonly ShardId[]): CatalogRecord[] {
  const ranges = uniformHashRanges(stream.shardCount)
  const shards = ranges.map((range, index) => ({
    ...range,
    index,
    number: numbers[index] as ShardId,
    startingSequenceNumber: stream.firstSequenceNumber as SequenceNumber,
    createdMillis: stream.createdMillis,
    parents: [],
  }))
  const active = { kind: 'statusSet', streamNumber: stream.number, status: 'ACTIVE' } as const
  return [...shardRecords(stream.number, shards), active]
}

function notActive(name: string, state: string): MillraceError {
  return new MillraceError('STREAM_IN_USE', `Stream ${name} not ACTIVE, instead in state ${state}`)
}
