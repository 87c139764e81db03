/**
 * Streams in ON_DEMAND mode split and merge their shards by themselves: here loads are measured and
 * what plan.ts decides is carried out. One change of a stream at a time; what fails is told, and
 * tried again later.
 */

import { MillraceError } from '../../errors.ts'
import type { ShardId } from '../../log/log.ts'
import type { Shard } from '../../shard/shard.ts'
import { openShards, type Replacement, routedShards, type Stream } from '../stream.ts'
import type { StreamHost } from '../stream-host.ts'
import { type Centre, centreOf } from './centre.ts'
import type { HeatHistory } from './heat.ts'
import { HeatTable } from './heat-table.ts'
import { readLoadPoints } from './load-points.ts'
import {
  type BlockReason,
  planScaling,
  type ScalingBlock,
  type ScalingPlan,
  type ScalingState,
} from './plan.ts'
import type { ScalingSettings } from './settings.ts'

/** What was done for a stream, or could not be. */
export interface ScalingEvent {
  readonly kind: 'scaled' | 'blocked' | 'failed'
  readonly streamName: string
  /** Indexes of shards. */
  readonly split: readonly number[]
  readonly merged: readonly (readonly number[])[]
  /** One for each split, merge or blocked shard, or that of the failure. */
  readonly reasons: readonly string[]
  readonly openShardCount: number
}

/** Totals of one stream since the broker was opened, and how it is now. */
export interface ScalingCounts {
  readonly splits: number
  readonly merges: number
  /** When shards were split or merged for the last time, in ms since 1970; 0 = never. */
  readonly changedMillis: number
  /** Hot shards that are not split, by the reason. */
  readonly blocked: ReadonlyMap<BlockReason, number>
  /** Changes that could not be begun, by the code of the error. */
  readonly failures: ReadonlyMap<string, number>
}

/** What would be done for a stream now, and what that is judged by. */
export interface ScalingReport {
  readonly open: readonly Shard[]
  readonly history: ReadonlyMap<ShardId, HeatHistory>
  readonly shardsMin: number
  readonly plan: ScalingPlan
}

export interface ScalingOptions {
  readonly settings: ScalingSettings
  /** Milliseconds of a clock that never goes back. */
  readonly elapsed: () => number
  /**
   * Begins a reshard; false when the stream is not as it was any more. Rejects: LIMIT_EXCEEDED,
   * DISK_FULL, LOG_FAILED.
   */
  readonly reshard: (stream: Stream, replacements: readonly Replacement[]) => Promise<boolean>
  readonly onEvent: (event: ScalingEvent) => void
  readonly onError: (error: unknown) => void
}

/** What is remembered of one stream. */
interface Memory {
  stream: Stream
  shards: readonly Shard[]
  changedMillis: number
  fruitless: ReadonlyMap<number, number>
  splits: number
  merges: number
  lastChangeMillis: number
  blocked: readonly ScalingBlock[]
  readonly failures: Map<string, number>
}

const nothing: ScalingPlan = {
  splits: [],
  merges: [],
  blocked: [],
  restMillis: 0,
  fruitless: new Map(),
}

export class Scaling {
  readonly #host: StreamHost
  readonly #options: ScalingOptions
  readonly #heat: HeatTable
  readonly #memories = new Map<number, Memory>()
  #timer: NodeJS.Timeout | undefined
  #working: Promise<void> | undefined
  #isStopped = false

  constructor(host: StreamHost, options: ScalingOptions) {
    this.#host = host
    this.#options = options
    this.#heat = new HeatTable(options.settings)
  }

  get settings(): ScalingSettings {
    return this.#options.settings
  }

  /** Begins to measure, and to look again and again. */
  start(): void {
    this.#timer = setInterval(() => {
      this.#working ??= this.look().finally(() => {
        this.#working = undefined
      })
    }, this.settings.lookMillis)
    this.#timer.unref()
  }

  /** Nothing begins after this; answers when what was begun has ended. */
  async stop(): Promise<void> {
    this.#isStopped = true
    clearInterval(this.#timer)
    await this.#working
  }

  /** Measures, and does for each stream what is due. Never rejects: `onError` is told. */
  async look(): Promise<void> {
    try {
      await this.#measure()
    } catch (error) {
      if (!this.#isStopped) this.#options.onError(error)
      return
    }
    if (this.settings.disabled) return
    for (const memory of [...this.#memories.values()]) {
      if (this.#isStopped) return
      try {
        if (this.#isWorthALook(memory)) await this.#scale(memory)
      } catch (error) {
        this.#failed(memory, error)
      }
    }
  }

  /** What would be done for a stream now. Rejects as the log does. */
  async describe(stream: Stream): Promise<ScalingReport> {
    await this.#measure()
    const memory = this.#memories.get(stream.number)
    if (memory === undefined) throw new MillraceError('STREAM_NOT_FOUND')
    const plan =
      stream.mode === 'ON_DEMAND' && !this.settings.disabled ? await this.#plan(memory) : nothing
    const { open, history, shardsMin } = this.#stateOf(memory)
    return { open, history, shardsMin, plan }
  }

  countsOf(stream: Stream): ScalingCounts {
    const memory = this.#memories.get(stream.number)
    const blocked = new Map<BlockReason, number>()
    for (const { blockReason } of memory?.blocked ?? []) {
      blocked.set(blockReason, (blocked.get(blockReason) ?? 0) + 1)
    }
    return {
      splits: memory?.splits ?? 0,
      merges: memory?.merges ?? 0,
      changedMillis: memory?.lastChangeMillis ?? 0,
      blocked,
      failures: memory?.failures ?? new Map(),
    }
  }

  async #measure(): Promise<void> {
    const traffic = await this.#host.log.shardTraffic()
    const now = this.#options.elapsed()
    this.#heat.look(traffic, now)
    const present = new Set<number>()
    for (const stream of this.#host.catalog.state.streams) {
      if (!this.#host.isServing(stream)) continue
      present.add(stream.number)
      this.#remember(stream, now)
    }
    for (const number of this.#memories.keys()) {
      if (!present.has(number)) this.#memories.delete(number)
    }
  }

  /** Whatever changes its shards begins a rest. */
  #remember(stream: Stream, now: number): void {
    const memory = this.#memories.get(stream.number)
    if (memory?.stream === stream) return
    const shards = routedShards(stream)
    if (memory === undefined) {
      this.#memories.set(stream.number, {
        stream,
        shards,
        changedMillis: now,
        fruitless: new Map(),
        splits: 0,
        merges: 0,
        lastChangeMillis: 0,
        blocked: [],
        failures: new Map(),
      })
      return
    }
    const isSame =
      shards.length === memory.shards.length &&
      shards.every((it, at) => it.number === memory.shards[at]?.number)
    if (!isSame) memory.changedMillis = now
    memory.stream = stream
    memory.shards = shards
  }

  /** Streams that rest and have no more shards than they need are passed by. */
  #isWorthALook({ stream, shards, blocked }: Memory): boolean {
    if (stream.mode !== 'ON_DEMAND' || stream.status !== 'ACTIVE') return false
    if (shards.length > this.#shardsMin(stream) || blocked.length > 0) return true
    return shards.some(({ number }) => !this.#heat.isAtRest(number))
  }

  /** What its owner has asked for is not taken away. */
  #shardsMin(stream: Stream): number {
    return Math.max(this.settings.shardsMin, stream.shardCount)
  }

  #stateOf({ stream, changedMillis, fruitless }: Memory): ScalingState {
    const open = openShards(stream)
    return {
      open,
      history: new Map(open.map((it) => [it.number, this.#heat.historyOf(it.number)])),
      centres: new Map(),
      fruitless,
      shardsMin: this.#shardsMin(stream),
      changedMillis,
    }
  }

  /** Records are read of those shards alone that would be split. */
  async #plan(memory: Memory): Promise<ScalingPlan> {
    const now = this.#options.elapsed()
    const state = this.#stateOf(memory)
    const first = planScaling(state, this.settings, now)
    const hot = first.splits.flatMap((it) => it.shards)
    if (hot.length === 0) return first
    const centres = new Map<number, Centre>()
    for (const shard of hot) {
      const centre = await this.#centreOf(shard)
      if (centre !== undefined) centres.set(shard.index, centre)
    }
    return planScaling({ ...state, centres }, this.settings, now)
  }

  async #centreOf(shard: Shard): Promise<Centre | undefined> {
    const toMillis = this.#host.now()
    const fromMillis = toMillis - this.settings.splitMillis
    const { log } = this.#host
    const points = await readLoadPoints(log, shard.number, { fromMillis, toMillis }, this.settings)
    return centreOf(shard, points)
  }

  async #scale(memory: Memory): Promise<void> {
    const plan = await this.#plan(memory)
    this.#noteBlocked(memory, plan.blocked)
    memory.fruitless = plan.fruitless
    const changes = [...plan.splits, ...plan.merges]
    if (changes.length === 0) return
    const replacements = changes.map((it) => it.replacement)
    if (this.#isStopped || !(await this.#options.reshard(memory.stream, replacements))) return
    memory.splits += plan.splits.length
    memory.merges += plan.merges.length
    memory.lastChangeMillis = this.#host.now()
    this.#tell('scaled', memory, {
      split: plan.splits.flatMap((it) => it.replacement.parents),
      merged: plan.merges.map((it) => it.replacement.parents),
      reasons: changes.map((it) => it.reason),
    })
  }

  /** Each shard is told once, until it is not blocked any more. */
  #noteBlocked(memory: Memory, blocked: readonly ScalingBlock[]): void {
    const known = new Set(memory.blocked.map((it) => it.shard.index))
    const fresh = blocked.filter((it) => !known.has(it.shard.index))
    memory.blocked = blocked
    if (fresh.length === 0) return
    const reasons = fresh.map(
      ({ shard, blockReason, reason }) => `shard ${shard.index}: ${blockReason}: ${reason}`,
    )
    this.#tell('blocked', memory, { reasons })
  }

  #failed(memory: Memory, error: unknown): void {
    const code = error instanceof MillraceError ? error.code : 'INTERNAL'
    memory.failures.set(code, (memory.failures.get(code) ?? 0) + 1)
    memory.changedMillis = this.#options.elapsed()
    this.#tell('failed', memory, { reasons: [textOf(error)] })
    this.#options.onError(error)
  }

  #tell(
    kind: ScalingEvent['kind'],
    { stream, shards }: Memory,
    facts: Partial<ScalingEvent>,
  ): void {
    const streamName = stream.name
    const openShardCount = shards.length
    this.#options.onEvent({
      kind,
      streamName,
      split: [],
      merged: [],
      reasons: [],
      openShardCount,
      ...facts,
    })
  }
}

function textOf(error: unknown): string {
  return error instanceof MillraceError ? `${error.code}: ${error.message}` : String(error)
}
