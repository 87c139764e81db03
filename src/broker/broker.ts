/**
 * The broker without sockets: requests in, answers out. A server puts it on the network, and
 * `Millrace.open` into a program.
 */

import { performance } from 'node:perf_hooks'
import { MillraceError } from '../errors.ts'
import type { Durability, Log, LogStats, ShardTraffic, ThroughputLimits } from '../log/log.ts'
import { openLog } from '../log/native-log.ts'
import type { LogOptions } from '../log/open-options.ts'
import type { ReadQuotaLimits } from '../shard/read-quota.ts'
import { TokenSealer } from '../shard/sealed-token.ts'
import type { ScalingCounts, ScalingEvent } from '../stream/scaling/scaling.ts'
import type { ScalingSettings } from '../stream/scaling/settings.ts'
import type { SteadyClock } from '../stream/steady-clock.ts'
import { isServing, openShards } from '../stream/stream.ts'
import { Streams } from '../stream/streams.ts'
import type { AnswerOf, Operation, RequestOf, StreamStatus } from '../wire/operations.ts'
import { type AckCounts, AckTimes } from './ack-times.ts'
import { anyone, type Caller } from './caller.ts'
import { Consumers } from './consumers/consumers.ts'
import type { BrokerContext } from './context.ts'
import { handlerOf } from './dispatch.ts'
import { FanOut, type FanOutStats } from './fan-out/fan-out.ts'
import type { FanOutLimits } from './fan-out/fan-out-limits.ts'
import type { SubscriptionSink } from './fan-out/sink.ts'
import { Subscriptions } from './fan-out/subscriptions.ts'
import { Keyring } from './keyring.ts'
import { requireCallRight } from './operation-rights.ts'
import type { TakeAnswer } from './pending-puts.ts'
import { Puts } from './puts.ts'
import { ReadLimits } from './read-limits.ts'
import { ReadPace } from './read-pace.ts'
import { type ShardFigures, shardFigures } from './shard-figures.ts'
import { StreamCounters, type StreamCounts } from './stream-counters.ts'
import { asMillraceError } from './stream-errors.ts'
import { StreamRoutes } from './stream-routes.ts'

export interface BrokerOptions {
  /** The data directory. It is created when it is missing; its parent has to exist. */
  readonly dir: string
  readonly logOptions?: Omit<LogOptions, 'dir' | 'exclusive'>
  /**
   * The file with the keys of encrypted streams, a line `ID BASE64` for each; nobody but its owner
   * may read it. Without one, or without the key of a stream, that stream is not served.
   */
  readonly keyFile?: string | undefined
  /** Milliseconds since 1970; `Date.now` unless told otherwise. */
  readonly now?: () => number
  /** Milliseconds of a clock that never goes back; `performance.now` unless told otherwise. */
  readonly elapsed?: () => number
  /** What retention counts with; the machine's unless told otherwise. */
  readonly steadyClock?: SteadyClock
  /**
   * What each shard of a stream in PROVISIONED mode takes in; the limits of Kinesis unless told
   * otherwise.
   */
  readonly shardLimits?: ThroughputLimits
  /** What GetRecords reads of each; those of Kinesis unless told otherwise. */
  readonly readLimits?: ReadQuotaLimits
  /** A snapshot of the catalog is written after so many bytes of changes to it. */
  readonly catalogSnapshotBytesMin?: number
  /**
   * The most that acknowledgements promise, whatever is asked for: `os` where the directory is gone
   * with the process. `disk` unless it is given.
   */
  readonly durabilityMax?: Durability
  /** Told of what fails in the background: steps of creations and deletions of streams. */
  readonly onBackgroundError?: (error: MillraceError) => void
  /** When streams in ON_DEMAND mode split and merge their shards by themselves. */
  readonly scaling?: Partial<ScalingSettings>
  /** Told when they do, and when they cannot. */
  readonly onScaling?: (event: ScalingEvent) => void
  /** How often UpdateShardCount works for a stream within 24 hours, 1 to 1000; 10 by default. */
  readonly shardCountUpdatesPerDay?: number
  /** Consumers that a stream can have; 20 by default. */
  readonly consumersPerStreamMax?: number
  /** Limits of subscriptions that differ from those of limits.ts. */
  readonly fanOut?: Partial<FanOutLimits>
}

/** What was put to a stream and read from it since the broker was opened. */
export interface StreamStats extends Readonly<StreamCounts> {
  readonly streamName: string
  readonly streamStatus: StreamStatus
  readonly openShardCount: number
  /** None unless metrics of them are told; see EnableEnhancedMonitoring. */
  readonly shards: readonly ShardFigures[]
  /** What the stream has done by itself to its shards. */
  readonly scaling: ScalingCounts
}

export interface BrokerStats {
  readonly streams: readonly StreamStats[]
  /** Puts that were refused and name no stream that takes records, by code. */
  readonly strayRefused: ReadonlyMap<string, number>
  /** How long puts have waited for their acknowledgements. */
  readonly acks: readonly AckCounts[]
  readonly fanOut: FanOutStats
  /** What the log says of itself. */
  readonly log: LogStats
}

/** The first failure of the log. */
class Failure {
  note: (error: MillraceError) => void = () => undefined
  readonly noted = new Promise<MillraceError>((resolve) => {
    this.note = resolve
  })
}

interface BrokerParts {
  readonly puts: Puts
  readonly routes: StreamRoutes
  readonly acks: AckTimes
  readonly fanOut: FanOut
  readonly keys: Keyring
  readonly report: (error: unknown) => void
  readonly failed: Promise<MillraceError>
}

export class Broker {
  readonly #log: Log
  readonly #context: BrokerContext
  readonly #puts: Puts
  readonly #routes: StreamRoutes
  readonly #acks: AckTimes
  readonly #fanOut: FanOut
  readonly #keys: Keyring
  readonly #report: (error: unknown) => void
  #closing: Promise<void> | undefined
  /**
   * Resolves when a write or a sync of the log has failed: nothing is acknowledged any more until
   * the directory is opened again. Never rejects.
   */
  readonly failed: Promise<MillraceError>

  /**
   * Opens a data directory. Rejects: LOG_LOCKED, INVALID_ARGUMENT, FORMAT_UNSUPPORTED,
   * CATALOG_UNREADABLE (with nothing changed), ACCESS_DENIED, DISK_FULL, LIMIT_EXCEEDED,
   * LOG_FAILED, KEY_FILE_REFUSED.
   */
  static async open(options: BrokerOptions): Promise<Broker> {
    // A log can be shared within a process, a broker cannot: two would each have a catalog.
    const log = await openLog({ ...options.logOptions, dir: options.dir, exclusive: true })
    try {
      return await Broker.over(log, options)
    } catch (error) {
      await log.close()
      throw error
    }
  }

  /**
   * A broker over a log that is open and has no other; the log is closed with it. Rejects as
   * `open`.
   */
  static async over(log: Log, options: Omit<BrokerOptions, 'dir'> = {}): Promise<Broker> {
    const counters = new StreamCounters()
    const failure = new Failure()
    const report = (error: unknown) => {
      const reason = asMillraceError(error)
      if (reason.code === 'LOG_FAILED') failure.note(reason)
      options.onBackgroundError?.(reason)
    }
    const now = options.now ?? Date.now
    const elapsed = options.elapsed ?? (() => performance.now())
    const acks = new AckTimes(elapsed)
    const { durabilityMax, shardLimits } = options
    const keys = await Keyring.open(log, options.keyFile)
    const puts = new Puts({
      log,
      counters,
      acks,
      onFailed: failure.note,
      durabilityMax,
      shardLimits,
      elapsed,
      keys,
    })
    const routes = new StreamRoutes({ puts, now, elapsed, report })
    const snapshotBytesMin = options.catalogSnapshotBytesMin
    let fanOut: FanOut | undefined
    const streams = await Streams.open(log, {
      now,
      keys,
      onError: report,
      onServing: (stream) => {
        if (isServing(stream)) routes.open(stream)
        else routes.close(stream)
        fanOut?.streamChanged(stream)
      },
      isBeingRead: (shard) => fanOut?.isReading(shard) ?? false,
      elapsed,
      shardCountUpdatesPerDay: options.shardCountUpdatesPerDay,
      consumersPerStreamMax: options.consumersPerStreamMax,
      ...(options.scaling === undefined ? {} : { scaling: options.scaling }),
      ...(options.onScaling === undefined ? {} : { onScaling: options.onScaling }),
      ...(options.steadyClock === undefined ? {} : { steadyClock: options.steadyClock }),
      ...(snapshotBytesMin === undefined ? {} : { snapshotBytesMin }),
    })
    const sealer = new TokenSealer(streams.instanceKey)
    const consumers = new Consumers(streams, elapsed)
    const pace = new ReadPace()
    const readLimits = new ReadLimits(elapsed, options.readLimits)
    const shared = { pace, readLimits, now, elapsed }
    const context = { log, streams, consumers, sealer, counters, ...shared }
    fanOut = new FanOut({ ...context, report }, options.fanOut)
    const failed = failure.noted
    return new Broker(context, { puts, routes, acks, fanOut, keys, report, failed })
  }

  private constructor(context: BrokerContext, parts: BrokerParts) {
    this.#log = context.log
    this.#context = context
    this.#puts = parts.puts
    this.#routes = parts.routes
    this.#acks = parts.acks
    this.#fanOut = parts.fanOut
    this.#keys = parts.keys
    this.#report = parts.report
    this.failed = parts.failed
  }

  /**
   * Carries out any operation but a put. The fields of the request have been checked
   * (`parseRequest`). Rejects with a MillraceError: those of the operation, ACCESS_DENIED where the
   * caller may not do it, SERVER_CLOSING, and what the log rejects with.
   */
  async call<Op extends Operation>(
    operation: Op,
    request: RequestOf<Op>,
    caller: Caller = anyone,
  ): Promise<AnswerOf<Op>> {
    const handler = handlerOf(operation)
    if (handler === undefined) {
      throw new MillraceError('PROTOCOL_VIOLATION', `${operation.name} is no call`)
    }
    if (this.#closing !== undefined) throw new MillraceError('SERVER_CLOSING')
    requireCallRight(caller, operation, request)
    try {
      return await handler(this.#context, request, caller)
    } catch (error) {
      const reason = asMillraceError(error)
      if (reason.code === 'LOG_FAILED' || reason.code === 'INTERNAL') this.#report(reason)
      throw reason
    }
  }

  /**
   * Carries out a put. `frame` is only read during the call. `answer` gets one frame, to keep:
   * before this returns where the acknowledgement holds by then (durability `os`, and what is
   * refused), else when it does; it must not throw. Throws a MillraceError, PROTOCOL_VIOLATION,
   * when the head of the frame cannot be read; there is no answer then.
   */
  put(frame: Uint8Array, answer: TakeAnswer, caller: Caller = anyone): void {
    this.#puts.put(frame, answer, caller)
  }

  /** What bounds subscriptions. */
  get fanOutLimits(): FanOutLimits {
    return this.#fanOut.limits
  }

  /**
   * The subscriptions of one connection, or of one program: they send to `sink`, and are ended with
   * `close`.
   */
  openSubscriptions(sink: SubscriptionSink): Subscriptions {
    return new Subscriptions(this.#fanOut, sink)
  }

  async stats(): Promise<BrokerStats> {
    const { counters, streams } = this.#context
    const traffic = new Map<bigint, ShardTraffic>()
    if ([...streams.all].some((it) => it.shardLevelMetrics.size > 0)) {
      for (const it of await this.#log.shardTraffic()) traffic.set(it.shard, it)
    }
    const all = Array.from(streams.all, (stream) => ({
      ...counters.of(stream.name),
      streamName: stream.name,
      streamStatus: stream.status,
      openShardCount: openShards(stream).length,
      shards: shardFigures(stream, counters.of(stream.name), traffic),
      scaling: streams.scaling.countsOf(stream),
    }))
    return {
      streams: all,
      strayRefused: counters.strayRefused,
      acks: this.#acks.all(),
      fanOut: this.#fanOut.stats(),
      log: await this.#log.stats(),
    }
  }

  /**
   * Reads the key file again; answers how many keys it has. Rejects: KEY_FILE_REFUSED, with the
   * keys left as they were.
   */
  async reloadKeys(): Promise<number> {
    await this.#keys.reload()
    return this.#keys.size
  }

  /** Answers when everything that was put so far is on disk. */
  async flush(): Promise<void> {
    await this.#log.flush()
  }

  /**
   * Takes no more requests, answers those that wait for their acknowledgement, and lets go of the
   * directory. Rejects with LOG_FAILED when the last of it did not get onto the disk.
   */
  close(): Promise<void> {
    this.#closing ??= this.#close()
    return this.#closing
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close()
  }

  async #close(): Promise<void> {
    const reason = new MillraceError('SERVER_CLOSING')
    this.#puts.refuseAll(reason)
    this.#fanOut.close(reason)
    await this.#context.streams.close()
    this.#routes.stop()
    await this.#log.close()
  }
}
