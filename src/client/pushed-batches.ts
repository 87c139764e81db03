/**
 * An iteration over what subscriptions bring: a queue, which their credit bounds, and the state of
 * it all. What is special to a subscription or to a consumer is in the classes that extend it.
 */

import { MillraceError } from '../errors.ts'
import { RecordWindow } from '../wire/record-window.ts'
import { Emitter } from './emitter.ts'
import { ItemQueue } from './item-queue.ts'
import type {
  FollowedShard,
  LastingSubscription,
  PushItem,
  ShardBeginning,
} from './lasting-subscription.ts'
import { onAbort } from './on-abort.ts'
import { RecordBatch } from './record-batch.ts'
import type { Gap } from './shard-cursor.ts'

/** `starting`; `catching-up` while there is something to read; `live`; `closed`, for good. */
export type SubscriptionState = 'starting' | 'catching-up' | 'live' | 'closed'

export interface SubscriptionEvents {
  gap: Gap
  state: SubscriptionState
}

/** A shard, and the lease under which a worker of a group reads it. */
export interface ShardLease {
  readonly shardId: string
  readonly leaseCounter: bigint
}

export interface ConsumerEvents extends SubscriptionEvents {
  /** The shard is this worker's from now on. */
  acquired: ShardLease
  /** ... is another's: what of it has not been delivered yet never will be. */
  lost: ShardLease
}

export type SliceItem = Extract<PushItem, { readonly kind: 'slice' }>
export type GapItem = Extract<PushItem, { readonly kind: 'gap' }>
/** What makes a batch. */
export type Delivery = SliceItem | GapItem
export type EndedItem = Extract<PushItem, { readonly kind: 'ended' }>

/** The record behind those of a delivery; undefined where the shard is gone. */
export function nextAfter(item: Delivery): bigint | undefined {
  return item.kind === 'slice' ? item.next : item.gap.firstAvailable
}

export interface BatchesSettings {
  readonly onGap: 'deliver' | 'throw'
  readonly signal: AbortSignal | undefined
}

export abstract class PushedBatches implements AsyncIterableIterator<RecordBatch>, AsyncDisposable {
  readonly #settings: BatchesSettings
  readonly #queue = new ItemQueue<PushItem>()
  readonly #behind = new Set<FollowedShard>()
  readonly #forgetSignal: () => void
  protected readonly events: Emitter<ConsumerEvents> = new Emitter<ConsumerEvents>()
  #state: SubscriptionState = 'starting'
  /** The batch that the loop is at work on. */
  #inHand: Delivery | undefined

  protected constructor(settings: BatchesSettings) {
    this.#settings = settings
    this.#forgetSignal = onAbort(settings.signal, () => this.drop(settings.signal?.reason))
  }

  get state(): SubscriptionState {
    return this.#state
  }

  /** The next batch, of any shard. With it the one before counts as done. */
  async next(): Promise<IteratorResult<RecordBatch, undefined>> {
    this.#putDown()
    for (;;) {
      const item = this.#queue.shift()
      if (item === undefined) {
        if (!(await this.#queue.arrival())) return { done: true, value: undefined }
      } else {
        const value = this.#accept(item)
        if (value !== undefined) return { done: false, value }
      }
    }
  }

  /** Ends the iteration, as a `break` does. */
  async return(): Promise<IteratorResult<RecordBatch, undefined>> {
    await this.close()
    return { done: true, value: undefined }
  }

  /** Ends the iteration; what came and was not delivered is dropped. */
  async close(): Promise<void> {
    this.drop(undefined)
  }

  [Symbol.asyncIterator](): this {
    return this
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close()
  }

  /** Shards are read from here on, again or for the first time. */
  protected abstract begun(shards: readonly ShardBeginning[], source: LastingSubscription): void
  /** Records are delivered, or are missing. Answers what makes the token of their batch. */
  protected abstract delivered(item: Delivery): () => string
  /** Everything of a shard has been delivered that was sent up to `next`. */
  protected abstract reached(shard: FollowedShard, next: bigint, source: LastingSubscription): void
  /** A shard has been delivered to its end. */
  protected abstract ended(item: EndedItem): void
  /** Whether what a subscription has brought is to be delivered. */
  protected wants(_source: LastingSubscription | undefined): boolean {
    return true
  }
  /** A batch goes to the loop. */
  protected handedOver(_batch: RecordBatch, _item: Delivery): void {}
  /** The loop is done with a batch. */
  protected abstract handled(item: Delivery): void
  /** Nothing is wanted any more. */
  protected abstract stop(): void

  /** Takes what a subscription brings. */
  protected offer(item: PushItem): void {
    if (this.#state === 'closed') return
    const isQuiet = item.kind !== 'slice' && item.kind !== 'gap'
    if (isQuiet && this.#queue.isEmpty) this.#accept(item)
    else this.#queue.offer(item)
  }

  /** Ends with an error, which follows what came before; undefined stands for none. */
  protected end(error: unknown): void {
    if (this.#state === 'closed') return
    this.#queue.fail(error)
    this.#forgetSignal()
    this.become('closed')
    this.stop()
  }

  /** Ends at once. */
  protected drop(error: unknown): void {
    this.#queue.drop(error)
    this.end(error)
  }

  protected become(state: SubscriptionState): void {
    if (this.#state === state || this.#state === 'closed') return
    this.#state = state
    this.events.emit('state', state)
  }

  /** A shard is read no more. */
  protected leave(shard: FollowedShard): void {
    this.#behind.delete(shard)
    this.#settleState()
  }

  /** A batch for what the loop has to know; undefined where that is nothing. */
  #accept(item: PushItem): RecordBatch | undefined {
    if (!this.wants(item.source)) return undefined
    switch (item.kind) {
      case 'slice':
      case 'gap':
        return this.#deliver(item)
      case 'started':
        for (const { shard } of item.shards) this.#behind.add(shard)
        this.begun(item.shards, item.source)
        break
      case 'progress':
        for (const { shard, next, millisBehindLatest } of item.shards) {
          if (millisBehindLatest > 0) this.#behind.add(shard)
          else this.#behind.delete(shard)
          this.reached(shard, next, item.source)
        }
        break
      case 'ended':
        this.#behind.delete(item.shard)
        this.ended(item)
        break
    }
    this.#settleState()
    return undefined
  }

  #settleState(): void {
    if (this.#state !== 'starting' || this.#behind.size > 0) {
      this.become(this.#behind.size > 0 ? 'catching-up' : 'live')
    }
  }

  #deliver(item: Delivery): RecordBatch | undefined {
    const { shard } = item
    const gap = item.kind === 'gap' ? item.gap : undefined
    if (gap !== undefined && !this.#tellGap(shard, gap)) return undefined
    this.#inHand = item
    const token = this.delivered(item)
    const { shardId } = shard
    const millisBehindLatest =
      item.kind === 'slice' ? item.millisBehindLatest : (shard.millisBehind ?? 1)
    const records = item.kind === 'slice' ? item.records : noRecords(item.gap)
    const batch = new RecordBatch({ shardId, records, gap, millisBehindLatest, token })
    this.handedOver(batch, item)
    return batch
  }

  /** Whether the iteration goes on. */
  #tellGap(shard: FollowedShard, gap: Gap): boolean {
    if (gap.firstAvailable === undefined) this.leave(shard)
    this.events.emit('gap', gap)
    if (this.#settings.onGap === 'deliver') return true
    this.drop(gapError(gap))
    return false
  }

  #putDown(): void {
    const item = this.#inHand
    if (item === undefined) return
    this.#inHand = undefined
    this.handled(item)
    if (item.kind === 'slice') item.source.done(item.records.slice.length)
  }
}

function noRecords({ lostFrom, firstAvailable }: Gap): RecordWindow {
  const firstSequenceNumber = firstAvailable ?? lostFrom
  return new RecordWindow({ slice: new Uint8Array(), firstSequenceNumber, recordCount: 0 })
}

function gapError({ shardId, lostFrom, firstAvailable }: Gap): MillraceError {
  const until = firstAvailable === undefined ? 'its end' : `${firstAvailable - 1n}`
  const text = `records ${lostFrom} to ${until} of ${shardId} are gone (onGap: 'throw')`
  return new MillraceError('SEQUENCE_NUMBER_TRIMMED', text)
}
