/**
 * How long records are kept: what has expired is trimmed in the background, and closed shards that
 * hold nothing else disappear. When something has expired is decided by retention-clock.ts; here it
 * is carried out, in small steps, so that nobody who puts or reads waits for it.
 */

import type { ShardId } from '../log/log.ts'
import type { Shard } from '../shard/shard.ts'
import type { CatalogRecord } from './catalog-records.ts'
import { deleteInParts } from './named-shards.ts'
import type { RetentionTime, StoredTime } from './retention-clock.ts'
import { advance, hasStepped, horizonOf, millisPerHour, resumeTime } from './retention-clock.ts'
import { expiryRecords } from './setting-records.ts'
import { type Due, ShardTrims } from './shard-trims.ts'
import { SizeRetention } from './size-retention.ts'
import { SmallSteps } from './small-steps.ts'
import type { SteadyClock } from './steady-clock.ts'
import type { Stream } from './stream.ts'
import type { StreamHost } from './stream-host.ts'

/** How often the clocks are looked at: of what they do in between nothing is known. */
const lookMillis = 1000
/** How often what has expired is looked for, and how often the clock is written down. */
const sweepMillis = 5 * 60_000
const storeMillis = 5 * 60_000
/** How long it rests after something has failed. */
const failureRestMillis = 60_000
/** What a close writes down if more has passed since the last time. */
const closeStoreMillis = 10_000

/** Of changes by which space becomes free, and of the clock that they need. */
const freesSpace = { usesReserve: true }

export interface RetentionOptions {
  readonly steadyClock: SteadyClock
  /** Whether somebody is reading a shard right now, who would miss its end. */
  readonly isBeingRead: (shard: ShardId) => boolean
  readonly onError: (error: unknown) => void
}

export class Retention {
  readonly #host: StreamHost
  readonly #options: RetentionOptions
  readonly #trims: ShardTrims
  readonly #bySize: SizeRetention
  readonly #steps = new SmallSteps()
  #time: RetentionTime
  #steadyMillis: number
  /** By stream: what was expired once stays so, whatever the clock does. */
  readonly #horizons = new Map<number, number>()
  /** Shards that nothing names, for whose deletion there was no room. */
  readonly #unnamed = new Set<ShardId>()
  #sweptRunMillis = Number.NEGATIVE_INFINITY
  /** After a failure it is not tried again at once. */
  #storesAfter = Number.NEGATIVE_INFINITY
  #timer: NodeJS.Timeout | undefined
  #working: Promise<void> | undefined
  #isStopped = false

  constructor(host: StreamHost, options: RetentionOptions) {
    this.#host = host
    this.#options = options
    this.#trims = new ShardTrims(host.log)
    this.#bySize = new SizeRetention(host, this.#steps)
    const { steadyClock } = options
    this.#steadyMillis = steadyClock.millis()
    const stored = host.catalog.state.retentionTime
    this.#time = resumeTime(stored, steadyClock.bootId, this.#steadyMillis, Math.floor(host.now()))
  }

  /**
   * Begins to look at the clocks, and to trim. What the clock of the machine has done since the
   * last time is on disk when it answers: records are stamped with it from now on. Never rejects.
   */
  async start(): Promise<void> {
    await this.#storeIfDue()
    this.#timer = setInterval(() => this.#tick(), lookMillis)
    this.#timer.unref()
  }

  /** Nothing is trimmed after this; answers when what was begun has ended. */
  async stop(): Promise<void> {
    this.#isStopped = true
    clearInterval(this.#timer)
    await this.#working
    this.look()
    if (this.#millisNotStored() >= closeStoreMillis) await this.#reported(this.#store())
  }

  /** Looks at the clocks: from then on the horizons are those of now. */
  look(): void {
    const steadyMillis = this.#options.steadyClock.millis()
    const wallMillis = Math.floor(this.#host.now())
    this.#time = advance(this.#time, steadyMillis - this.#steadyMillis, wallMillis)
    this.#steadyMillis = steadyMillis
  }

  /** What arrived before it has expired, and is not read any more soon. */
  horizonOf(stream: Stream): number {
    const { number, retentionPeriodHours, horizonMillis } = stream
    const now = horizonOf(this.#time, retentionPeriodHours * millisPerHour)
    const before = this.#horizons.get(number) ?? horizonMillis
    const horizon = Math.max(now, before, horizonMillis)
    if (horizon > before) this.#horizons.set(number, horizon)
    return horizon
  }

  /** The retention clock as it is now, for the catalog. */
  record(): CatalogRecord {
    const { bootId } = this.#options.steadyClock
    const stored: StoredTime = { ...this.#time, bootId, steadyMillis: this.#steadyMillis }
    return { kind: 'retentionClock', ...stored }
  }

  /** Looks at the clocks, and does all that is due now. Never rejects: `onError` is told. */
  async sweep(): Promise<void> {
    this.look()
    this.#sweptRunMillis = this.#time.runMillis
    for (const { number } of [...this.#host.catalog.state.streams]) {
      await this.#reported(this.trimStream(number))
      await this.#reported(this.#expireShards(number))
    }
    if (!this.#isStopped) await this.#reported(this.#deleteExpired())
  }

  /** Trims a stream to what it keeps. Rejects as the log does. */
  async trimStream(streamNumber: number): Promise<void> {
    try {
      await this.#trimStream(streamNumber)
    } catch (error) {
      // One that was deleted meanwhile has nothing to be trimmed.
      if (this.#served(streamNumber) !== undefined) throw error
    }
  }

  async #trimStream(streamNumber: number): Promise<void> {
    const stream = this.#served(streamNumber)
    if (stream === undefined) return
    const due = this.#dueOf(stream)
    // As long as not a whole period has been seen nothing can have expired.
    for (const { number } of due.horizonMillis === 0 ? [] : stream.shards.values()) {
      if (this.#served(streamNumber) === undefined) return
      if (this.#trims.isDone(number, due)) continue
      await this.#trims.trim(number, due)
      await this.#steps.pause()
    }
    await this.#bySize.trim(stream)
  }

  /** Of a stream that is gone nothing is remembered. */
  forget(stream: Stream): void {
    this.#horizons.delete(stream.number)
    for (const { number } of stream.shards.values()) this.#trims.forget(number)
  }

  #dueOf(stream: Stream): Due {
    const { runMillis } = this.#time
    return {
      horizonMillis: this.horizonOf(stream),
      runMillis,
      expiredRunMillis: runMillis - stream.retentionPeriodHours * millisPerHour,
      wallMillis: this.#host.now(),
    }
  }

  #served(streamNumber: number): Stream | undefined {
    const stream = this.#host.catalog.state.byNumber(streamNumber)
    const isServed = stream !== undefined && this.#host.isServing(stream) && !this.#isStopped
    return isServed ? stream : undefined
  }

  #tick(): void {
    this.look()
    if (this.#working !== undefined) return
    this.#working = this.#work().finally(() => {
      this.#working = undefined
    })
  }

  /** Never rejects. */
  async #work(): Promise<void> {
    await this.#storeIfDue()
    if (this.#time.runMillis - this.#sweptRunMillis >= sweepMillis) await this.sweep()
    else await this.#reported(this.#trimBySize())
  }

  async #trimBySize(): Promise<void> {
    for (const stream of [...this.#host.catalog.state.streams]) {
      if (this.#served(stream.number) === undefined || !this.#bySize.isDue(stream)) continue
      await this.#bySize.trim(stream)
    }
  }

  async #storeIfDue(): Promise<void> {
    const { state } = this.#host.catalog
    const hasStep = hasStepped(this.#time, state.retentionTime)
    const isDue = hasStep || this.#millisNotStored() >= storeMillis
    // Without a stream there is nothing to be kept.
    if (isDue && hasAny(state.streams) && this.#steadyMillis >= this.#storesAfter) {
      await this.#reported(this.#store())
    }
  }

  #millisNotStored(): number {
    const stored = this.#host.catalog.state.retentionTime
    return stored === undefined ? 0 : this.#time.runMillis - stored.runMillis
  }

  async #store(): Promise<void> {
    this.#storesAfter = this.#steadyMillis + failureRestMillis
    await this.#host.catalog.change(() => [this.record()], freesSpace)
    this.#storesAfter = Number.NEGATIVE_INFINITY
  }

  async #reported(work: Promise<void>): Promise<void> {
    try {
      await work
    } catch (error) {
      this.#options.onError(error)
    }
  }

  /**
   * Closed shards leave their stream when all that was put to them has expired. Who is reading one
   * goes on with its children first: it is trimmed, so that there is nothing left to be read.
   */
  async #expireShards(streamNumber: number): Promise<void> {
    const stream = this.#served(streamNumber)
    if (stream === undefined) return
    const horizon = this.horizonOf(stream)
    const gone: Shard[] = []
    for (const shard of stream.shards.values()) {
      if (!hasExpired(shard, horizon)) continue
      await this.#trims.trimAll(shard.number)
      if (!this.#options.isBeingRead(shard.number)) gone.push(shard)
      await this.#steps.pause()
    }
    if (gone.length === 0) return
    const indexes = gone.map((it) => it.index)
    const numbers = gone.map((it) => it.number)
    await this.#host.catalog.change(
      () =>
        this.#served(streamNumber) === undefined
          ? []
          : expiryRecords(streamNumber, indexes, numbers),
      freesSpace,
    )
    this.#host.forgetShards(numbers)
    for (const number of numbers) this.#trims.forget(number)
    this.#host.changed(streamNumber)
  }

  /** Has the next sweeps delete shards that no stream has, and that were never named. */
  deleteLater(numbers: readonly ShardId[]): void {
    for (const number of numbers) this.#unnamed.add(number)
  }

  /** The log forgets the shards that no stream has any more. */
  async #deleteExpired(): Promise<void> {
    const { log, catalog } = this.#host
    const numbers = [...catalog.state.expiredShards, ...this.#unnamed]
    if (numbers.length === 0) return
    const present = new Set(await log.listShards())
    const left = numbers.filter((it) => present.has(it))
    await deleteInParts(log, left)
    catalog.state.forgetExpired(numbers)
    this.#unnamed.clear()
  }
}

/** Whether all that was put to a shard before it was closed has expired. Pure. */
export function hasExpired({ closing }: Shard, horizonMillis: number): boolean {
  return closing !== undefined && closing.closedMillis <= horizonMillis
}

function hasAny(streams: Iterable<unknown>): boolean {
  for (const _ of streams) return true
  return false
}
