/**
 * A worker of a group that shares a stream: it holds leases of shards, reads these shards, and
 * writes down how far they have been worked off. What it has not written down another worker reads
 * again: each record is delivered at least once.
 */

import { InvalidTypeError, MillraceError } from '../errors.ts'
import type { RecordView } from '../wire/slice-cursor.ts'
import type { Verbs } from '../wire/verbs.ts'
import { CheckpointWriter, isLeaseLost } from './checkpoint-writer.ts'
import type { Clock } from './clock.ts'
import type { ConsumeSettings } from './consumer-options.ts'
import { healing } from './healing.ts'
import { HeldShard } from './held-shard.ts'
import {
  type FollowedShard,
  LastingSubscription,
  type ShardBeginning,
} from './lasting-subscription.ts'
import { LeaseLoop, type NewLease } from './lease-loop.ts'
import { LeaseLostError } from './lease-lost-error.ts'
import type { PushExchange } from './push-exchange.ts'
import {
  type ConsumerEvents,
  type Delivery,
  type EndedItem,
  nextAfter,
  PushedBatches,
  type ShardLease,
} from './pushed-batches.ts'
import type { RecordBatch } from './record-batch.ts'
import { encodeResumeToken } from './resume-token.ts'
import { sleep } from './sleep.ts'
import { type StreamStart, shardTarget, startAt } from './subscription-target.ts'

/** What is written at the end may take so long. */
const closeMillisMax = 10_000

export interface ConsumerParts {
  readonly exchange: PushExchange
  readonly verbs: Verbs
  readonly clock: Clock
  readonly streamName: string
  readonly settings: ConsumeSettings
  readonly signal: AbortSignal | undefined
}

/** Where a batch ends, and under which lease it was delivered. */
interface Place {
  readonly held: HeldShard
  readonly next: bigint
}

export class Consumer extends PushedBatches {
  readonly #parts: ConsumerParts
  readonly #held = new Map<string, HeldShard>()
  readonly #bySource = new WeakMap<LastingSubscription, HeldShard>()
  readonly #places = new WeakMap<RecordBatch, Place>()
  readonly #stop = new AbortController()
  /** Ends what is being written: some time after the consumer was closed. */
  readonly #writingStop = new AbortController()
  readonly #leases: LeaseLoop
  readonly #writer: CheckpointWriter
  #start: StreamStart = { type: 'TRIM_HORIZON' }
  readonly #ready: Promise<void>
  #settle: (error?: unknown) => void = () => undefined
  #leaving: Promise<void> | undefined

  /** Made by `consume` of a client, and of a broker in this process. */
  constructor(parts: ConsumerParts) {
    const { settings, signal, verbs, clock, streamName } = parts
    super({ onGap: settings.onGap, signal })
    this.#parts = parts
    const lost = (lease: ShardLease) => this.#lose(lease)
    this.#leases = new LeaseLoop({
      verbs,
      clock,
      streamName,
      settings,
      signal: this.#stop.signal,
      lastSignal: this.#writingStop.signal,
      held: () => this.#held.values(),
      acquired: (lease) => this.#hold(lease),
      lost,
      settled: () => this.#roundIsOver(),
    })
    const { consumerName, workerId } = settings
    this.#writer = new CheckpointWriter({
      verbs,
      clock,
      streamName,
      consumerName,
      workerId,
      lost,
    })
    const settled = new Promise<void>((resolve, reject) => {
      this.#settle = (error) => (error === undefined ? resolve() : reject(error))
    })
    this.#ready = settled.then(() => this.#allStarted())
    // Whoever iterates is told of it.
    this.#ready.catch((error) => this.end(error))
    if (signal?.aborted === true) this.drop(signal.reason)
    else this.#inBackground(this.#run())
  }

  /** The name of this worker, as ListLeases has it. */
  get workerId(): string {
    return this.#parts.settings.workerId
  }

  /** The shards that are this worker's now. */
  get shardIds(): readonly string[] {
    return [...this.#held.keys()]
  }

  /**
   * Calls `listener` when a shard is this worker's (`acquired`), or another's (`lost`), when
   * records are missing (`gap`), or the state changes; what comes back stops that.
   */
  on<Name extends keyof ConsumerEvents>(
    name: Name,
    listener: (value: ConsumerEvents[Name]) => void,
  ): () => void {
    return this.events.on(name, listener)
  }

  /**
   * Answers when this worker has the shards that there are for it now, and they are being read.
   * Rejects as the iteration.
   */
  ready(): Promise<void> {
    return this.#ready
  }

  /**
   * The next batch, of any shard; with it the one before counts as done, unless checkpoints are
   * manual. At the end it answers once everything is written down. Rejects with what does not heal:
   * STREAM_NOT_FOUND, CONSUMER_NOT_FOUND, CHECKPOINT_REGRESSED (something else sets checkpoints of
   * the consumer), SEQUENCE_NUMBER_IN_FUTURE (the broker lost what was read already),
   * SEQUENCE_NUMBER_TRIMMED (with `onGap: 'throw'`), CLIENT_CLOSED, and the reason of the signal.
   */
  override async next(): Promise<IteratorResult<RecordBatch, undefined>> {
    const result = await super.next()
    // Whoever closes the client behind the loop must not cut off what is written at the end.
    if (result.done === true) await this.#leaving
    return result
  }

  /**
   * The records one by one. With automatic checkpoints a record counts as worked off when the next
   * one is asked for. A loop over batches is several times as fast.
   */
  async *records(): AsyncGenerator<RecordView, void, undefined> {
    const { isAutomatic } = this.#parts.settings
    for await (const batch of this) {
      const held = this.#places.get(batch)?.held
      for (const record of batch) {
        yield record
        if (!isAutomatic || held === undefined) continue
        this.#workOff({ held, next: record.sequenceNumber + 1n })
      }
    }
  }

  /**
   * Notes that a batch, and everything of its shard before it, has been worked off; on disk when
   * this answers, also where the consumer is closed meanwhile. Rejects with a LeaseLostError when
   * the shard is another worker's by now: what was done with the batch will be done again; with
   * CLIENT_CLOSED behind the end; with a TypeError for a batch of somebody else.
   */
  async checkpoint(batch: RecordBatch): Promise<void> {
    const place = this.#places.get(batch)
    if (place === undefined)
      throw new InvalidTypeError('batch: wanted one that this consumer delivered')
    this.#workOff(place)
    await this.#writer.store(place.held, this.#writingStop.signal)
  }

  /**
   * Whether the lease under which a batch was delivered is gone: another worker has the shard, or
   * the consumer is closed. Unless it is worked off and checkpointed, it is delivered again.
   */
  hasLost(batch: RecordBatch): boolean {
    return this.state === 'closed' || this.#places.get(batch)?.held.isLost === true
  }

  /**
   * Ends the iteration, writes the checkpoints and gives the leases back. The batch that the loop
   * is at work on counts as not worked off, unless `checkpoint` says otherwise. Rejects when that
   * is not possible within 10 s: others then wait until the leases expire.
   */
  override async close(): Promise<void> {
    this.drop(undefined)
    await this.#leaving
  }

  protected begun([beginning]: readonly ShardBeginning[], source: LastingSubscription): void {
    const held = this.#bySource.get(source)
    if (held === undefined || beginning === undefined) return
    held.shard = beginning.shard
    held.begin(beginning.next ?? 0n)
  }

  protected delivered(item: Delivery): () => string {
    const { shardId, shardNumber } = item.shard
    const next = nextAfter(item)
    if (next !== undefined) this.#heldOf(item)?.deliver(next)
    const { streamName } = this.#parts
    return () => encodeResumeToken(streamName, [{ shardId, shardNumber, next }])
  }

  protected reached(_shard: FollowedShard, next: bigint, source: LastingSubscription): void {
    this.#bySource.get(source)?.reach(next)
  }

  protected ended({ source }: EndedItem): void {
    const held = this.#bySource.get(source)
    held?.end()
    if (held?.isThrough === true) this.#inBackground(this.#finish(held))
  }

  protected override wants(source: LastingSubscription | undefined): boolean {
    return source !== undefined && this.#bySource.get(source)?.isLost === false
  }

  protected override handedOver(batch: RecordBatch, item: Delivery): void {
    const held = this.#heldOf(item)
    const next = nextAfter(item)
    if (held !== undefined && next !== undefined) this.#places.set(batch, { held, next })
  }

  protected handled(item: Delivery): void {
    const held = this.#heldOf(item)
    const next = nextAfter(item)
    if (!this.#parts.settings.isAutomatic || held === undefined || next === undefined) return
    this.#workOff({ held, next })
  }

  protected stop(): void {
    const error = new MillraceError('CLIENT_CLOSED', 'the consumer is closed')
    this.#stop.abort(error)
    this.#settle(error)
    this.#leases.wake()
    const all = [...this.#held.values()]
    for (const it of all) it.subscription?.close()
    this.#held.clear()
    this.#leaving = this.#leave(all).finally(() => this.#writingStop.abort(error))
    // Whoever closes is told of it.
    this.#leaving.catch(() => undefined)
  }

  #heldOf({ source }: Delivery): HeldShard | undefined {
    return source === undefined ? undefined : this.#bySource.get(source)
  }

  async #run(): Promise<void> {
    this.#start = await this.#leases.register()
    await Promise.all([this.#leases.run(), this.#keepStoring()])
  }

  async #keepStoring(): Promise<never> {
    const { clock, settings } = this.#parts
    for (;;) {
      await sleep(clock, settings.checkpointMillis, this.#stop.signal)
      await Promise.all(Array.from(this.#held.values(), (it) => this.#store(it)))
    }
  }

  /** As the writer does, but that a lease is lost has been told. */
  async #store(held: HeldShard): Promise<void> {
    try {
      await this.#writer.store(held, this.#writingStop.signal)
    } catch (error) {
      if (!(error instanceof LeaseLostError)) throw error
    }
  }

  #roundIsOver(): void {
    if (this.#held.size === 0) this.become('live')
    this.#settle()
  }

  async #allStarted(): Promise<void> {
    await Promise.all(Array.from(this.#held.values(), (it) => it.started))
    this.#stop.signal.throwIfAborted()
  }

  /** A lease is this worker's: the shard is read from its checkpoint on. */
  #hold(lease: NewLease): void {
    const { shardId, leaseCounter, nextSequenceNumber } = lease
    const before = this.#held.get(shardId)
    if (before !== undefined) this.#lose(before)
    const { exchange, clock, streamName, settings } = this.#parts
    const { consumerName, creditBytes, verify } = settings
    const start = nextSequenceNumber === undefined ? this.#start : startAt(nextSequenceNumber)
    const subscription = new LastingSubscription({
      exchange,
      clock,
      target: shardTarget(streamName, shardId, start, { consumerName, leaseCounter }),
      creditBytes,
      verify,
      loop: this,
      positions: [],
      deliver: (item) => this.offer(item),
    })
    const held = new HeldShard(lease, nextSequenceNumber)
    held.subscription = subscription
    this.#held.set(shardId, held)
    this.#bySource.set(subscription, held)
    this.events.emit('acquired', { shardId, leaseCounter })
    const running = subscription.run().catch((error) => this.#fail(held, error))
    held.started = Promise.race([subscription.started, running])
  }

  #fail(held: HeldShard, error: unknown): void {
    if (!isLeaseLost(error)) {
      this.end(error)
      return
    }
    this.#lose(held)
    // What follows a shard that has expired is to be had now.
    this.#leases.wake()
  }

  /** A lease is another worker's: nothing of the shard is delivered any more. */
  #lose({ shardId, leaseCounter }: ShardLease): void {
    const held = this.#held.get(shardId)
    if (held?.leaseCounter !== leaseCounter) return
    held.isLost = true
    this.#held.delete(shardId)
    held.subscription?.close()
    if (held.shard !== undefined) this.leave(held.shard)
    this.events.emit('lost', { shardId, leaseCounter })
  }

  #workOff({ held, next }: Place): void {
    if (held.isLost) return
    held.workOff(next)
    if (held.isThrough) this.#inBackground(this.#finish(held))
  }

  /** A shard has been worked off to its end: its children can be had now. */
  async #finish(held: HeldShard): Promise<void> {
    await this.#store(held)
    if (held.isLost || !this.#held.delete(held.shardId)) return
    await this.#writer.release(held, this.#writingStop.signal)
    this.#leases.wake()
  }

  /** Writes down what has been worked off, and leaves the shards to others. */
  async #leave(all: readonly HeldShard[]): Promise<void> {
    if (all.length === 0 && !this.#leases.mayHaveMore) return
    const { clock } = this.#parts
    const text = `the checkpoints could not be written within ${closeMillisMax} ms`
    const timer = clock.after(closeMillisMax, () => {
      this.#writingStop.abort(new MillraceError('CONNECTION_LOST', text))
    })
    timer.keepAlive(true)
    try {
      await Promise.all([...all.map((it) => this.#letGo(it)), this.#giveBackUnknown(all)])
    } finally {
      timer.cancel()
    }
  }

  async #letGo(held: HeldShard): Promise<void> {
    await unlessGone(async () => {
      await this.#store(held)
      if (!held.isLost) await this.#writer.release(held, this.#writingStop.signal)
    })
  }

  /** What was asked for when the end came may have been given. */
  async #giveBackUnknown(known: readonly HeldShard[]): Promise<void> {
    if (!this.#leases.mayHaveMore) return
    const { clock } = this.#parts
    const { signal } = this.#writingStop
    await unlessGone(async () => {
      const leases = await healing(clock, signal, () => this.#leases.unknown(known, signal))
      await Promise.all(leases.map((it) => this.#writer.release(it, signal)))
    })
  }

  #inBackground(work: Promise<void>): void {
    work.catch((error) => this.end(error))
  }
}

/** Does nothing where the consumer is gone, and so nothing to be written down. */
async function unlessGone(work: () => Promise<void>): Promise<void> {
  try {
    await work()
  } catch (error) {
    if (!isGone(error)) throw error
  }
}

function isGone(error: unknown): boolean {
  if (!(error instanceof MillraceError)) return false
  return error.code === 'STREAM_NOT_FOUND' || error.code === 'CONSUMER_NOT_FOUND'
}
