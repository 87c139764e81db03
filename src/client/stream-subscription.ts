/** Reads a stream as the broker pushes it, across everything that heals. */

import { MillraceError } from '../errors.ts'
import type { ShardFilter } from '../wire/operations.ts'
import type { Verbs } from '../wire/verbs.ts'
import type { Clock } from './clock.ts'
import { DeliveredPositions, positionsAt } from './delivered-positions.ts'
import { FinishedShards } from './finished-shards.ts'
import {
  type FollowedShard,
  LastingSubscription,
  type PushItem,
  type ShardBeginning,
} from './lasting-subscription.ts'
import { OwnShards } from './own-shards.ts'
import type { PushExchange } from './push-exchange.ts'
import {
  type Delivery,
  type EndedItem,
  nextAfter,
  PushedBatches,
  type SubscriptionEvents,
} from './pushed-batches.ts'
import type { RecordBatch } from './record-batch.ts'
import { encodeResumeToken, type ShardPosition } from './resume-token.ts'
import type { ShardStart } from './shard-cursor.ts'
import { childrenToRead, planResume } from './shard-lineage.ts'
import { listShards } from './shard-list.ts'
import type { SubscribeSettings } from './subscribe-options.ts'
import {
  type SubscriptionTarget,
  shardTarget,
  startAt,
  streamTarget,
} from './subscription-target.ts'

export interface StreamSubscriptionParts {
  readonly exchange: PushExchange
  readonly verbs: Verbs
  readonly clock: Clock
  readonly streamName: string
  readonly settings: SubscribeSettings
  readonly signal: AbortSignal | undefined
}

/** A subscription before it is made. */
interface Beginning {
  readonly target: SubscriptionTarget
  readonly positions: readonly ShardPosition[]
}

const everything: ShardFilter = { type: 'FROM_TRIM_HORIZON' }

/** One that ends by itself: when all shards are closed and read, and none follow them. */
export class StreamSubscription extends PushedBatches {
  readonly #parts: StreamSubscriptionParts
  readonly #positions = new DeliveredPositions()
  readonly #finished = new FinishedShards()
  readonly #running = new Set<LastingSubscription>()
  /** Those that have subscriptions of their own: where only some of the shards are wanted. */
  readonly #own = new OwnShards()
  /** Questions on their way what follows a shard. */
  #lookups = 0
  readonly #stop = new AbortController()
  readonly #started: Promise<void>
  #hasStarted = false

  /** Made by `subscribe` of a client, and of a broker in this process. */
  constructor(parts: StreamSubscriptionParts) {
    super({ onGap: parts.settings.onGap, signal: parts.signal })
    this.#parts = parts
    const { signal } = parts
    if (signal?.aborted === true) this.drop(signal.reason)
    this.#started = this.#start()
    // Whoever iterates is told of it.
    this.#started.catch((error) => this.end(error))
  }

  /** Calls `listener` when records are missing, or the state changes; what comes back stops it. */
  on<Name extends keyof SubscriptionEvents>(
    name: Name,
    listener: (value: SubscriptionEvents[Name]) => void,
  ): () => void {
    return this.events.on(name, listener)
  }

  /** Where the stream has been read, as `resumeToken` of the last batch; after `ready`. */
  get resumeToken(): string {
    return encodeResumeToken(this.#parts.streamName, this.#positions.all)
  }

  /**
   * Answers when it is settled where the reading begins: what is put after that is read with `from:
   * 'latest'`, too. Rejects as the iteration.
   */
  ready(): Promise<void> {
    return this.#started
  }

  /**
   * The next batch, of any shard; it is a slice as it was pushed. Rejects with what does not heal:
   * STREAM_NOT_FOUND or SHARD_NOT_FOUND (it was deleted), CONSUMER_NOT_FOUND, CONSUMER_IN_USE
   * (another subscription has taken over), SEQUENCE_NUMBER_IN_FUTURE (the broker lost what was read
   * already), SEQUENCE_NUMBER_TRIMMED (with `onGap: 'throw'`), CLIENT_CLOSED, and the reason of the
   * signal.
   */
  override async next(): Promise<IteratorResult<RecordBatch, undefined>> {
    // The token of a batch has the places of all shards, or some of them would never be read on.
    if (!this.#hasStarted) await this.#started.catch(() => undefined)
    return await super.next()
  }

  protected begun(shards: readonly ShardBeginning[]): void {
    for (const { shard, next } of shards) {
      const { shardId, shardNumber } = shard
      if (this.#positions.has(shardNumber)) continue
      this.#positions.set({ shardId, shardNumber, next })
      this.#forget(this.#finished.begin(shardId))
    }
  }

  protected delivered(item: Delivery): () => string {
    const { shard } = item
    const next = nextAfter(item)
    if (next === undefined) this.#positions.forget(shard.shardNumber)
    else this.reached(shard, next)
    return this.#token()
  }

  protected reached({ shardId, shardNumber }: FollowedShard, next: bigint): void {
    this.#positions.set({ shardId, shardNumber, next })
  }

  protected ended({ shard, children }: EndedItem): void {
    const { shardId, shardNumber } = shard
    this.#positions.set({ shardId, shardNumber })
    this.#forget(this.#finished.end(shardId, children))
  }

  protected handled(): void {}

  protected stop(): void {
    this.#stop.abort(new MillraceError('CLIENT_CLOSED', 'the subscription is closed'))
    for (const it of this.#running) it.close()
  }

  #token(): () => string {
    const mark = this.#positions.mark()
    return () => encodeResumeToken(this.#parts.streamName, positionsAt(mark))
  }

  #forget(shardIds: readonly string[]): void {
    for (const { shardId, shardNumber } of shardIds.length === 0 ? [] : this.#positions.all) {
      if (shardIds.includes(shardId)) this.#positions.forget(shardNumber)
    }
  }

  async #start(): Promise<void> {
    const { start, shards } = this.#parts.settings
    for (const it of 'positions' in start ? start.positions : []) {
      this.#positions.set(it)
      this.#finished.begin(it.shardId)
    }
    const beginnings = shards === undefined ? [this.#whole()] : await this.#some(shards)
    this.#stop.signal.throwIfAborted()
    await Promise.all(beginnings.map((it) => this.#run(it, shards !== undefined)))
    this.#stop.signal.throwIfAborted()
    this.#hasStarted = true
    if (beginnings.length === 0) this.end(undefined)
  }

  /** Answers when it has begun. Rejects as the iteration. `isOneOfSome`: others begin, too. */
  #run({ target, positions }: Beginning, isOneOfSome: boolean): Promise<void> {
    const { exchange, clock, settings } = this.#parts
    const { creditBytes, shards, verify } = settings
    const subscription = new LastingSubscription({
      exchange,
      clock,
      target,
      creditBytes: Math.max(1, Math.floor(creditBytes / (shards?.length ?? 1))),
      verify,
      loop: this,
      positions,
      deliver: (item) => {
        // Its place does not wait behind what others have brought before.
        if (isOneOfSome && item.kind === 'started') this.begun(item.shards)
        this.#take(item)
      },
    })
    this.#running.add(subscription)
    const running = subscription.run()
    const over = () => {
      this.#running.delete(subscription)
      this.#endIfOver()
    }
    running.then(over, (error) => this.end(error))
    return Promise.race([subscription.started, running])
  }

  #take(item: PushItem): void {
    this.offer(item)
    // A subscription of the whole stream goes on with the children by itself.
    if (item.kind !== 'ended' || this.#parts.settings.shards === undefined) return
    const { shardId } = item.shard
    const ready = this.#own.end(shardId, item.children)
    if (ready === undefined) this.#lookUp(shardId).catch((error) => this.end(error))
    else this.#beginAll(ready)
  }

  /** Begins with the children of a shard all of whose parents are done, as the list says. */
  async #lookUp(shardId: string): Promise<void> {
    this.#lookups += 1
    const all = await listShards(this.#parts, everything, this.#stop.signal)
    this.#beginAll(childrenToRead(shardId, all, this.#own).map((it) => it.shardId))
    this.#lookups -= 1
    this.#endIfOver()
  }

  #beginAll(shardIds: readonly string[]): void {
    for (const shardId of shardIds) {
      const child = this.#ofShard(shardId, { type: 'TRIM_HORIZON' })
      this.#run(child, false).catch((error) => this.end(error))
    }
  }

  #endIfOver(): void {
    if (this.#running.size === 0 && this.#lookups === 0) this.end(undefined)
  }

  #whole(): Beginning {
    const { streamName, settings } = this.#parts
    const { start, consumerName } = settings
    if (!('positions' in start)) {
      return { target: streamTarget(streamName, consumerName, start), positions: [] }
    }
    // Where there are positions the start does not count.
    const target = streamTarget(streamName, consumerName, { type: 'LATEST' })
    return { target, positions: start.positions }
  }

  #ofShard(shardId: string, start: ShardStart, position?: ShardPosition): Beginning {
    const { streamName, settings } = this.#parts
    const { consumerName } = settings
    this.#own.begin(shardId)
    return {
      target: shardTarget(streamName, shardId, start, { consumerName }),
      positions: position === undefined ? [] : [position],
    }
  }

  /** One for each of these shards, or of those in a resume token. */
  async #some(shards: readonly string[]): Promise<Beginning[]> {
    const { start } = this.#parts.settings
    if (!('positions' in start)) return shards.map((it) => this.#ofShard(it, start))
    const all = await listShards(this.#parts, everything, this.#stop.signal)
    const { found, lost } = planResume(start.positions, all)
    for (const { shardId, shardNumber, next = 0n } of lost) {
      const shard = { shardId, shardNumber, wanted: undefined, millisBehind: undefined }
      const gap = { shardId, lostFrom: next, firstAvailable: undefined }
      this.offer({ kind: 'gap', source: undefined, shard, gap })
    }
    const beginnings: Beginning[] = []
    for (const { shard, position } of found) {
      const { next } = position
      if (next === undefined) this.#own.end(shard.shardId, [])
      else beginnings.push(this.#ofShard(shard.shardId, startAt(next), position))
    }
    for (const { shard, position } of found) {
      if (position.next !== undefined) continue
      for (const child of childrenToRead(shard.shardId, all, this.#own)) {
        beginnings.push(this.#ofShard(child.shardId, startAt(child.startingSequenceNumber)))
      }
    }
    return beginnings
  }
}
