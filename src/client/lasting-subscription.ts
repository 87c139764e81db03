/**
 * A subscription that outlives its connections: it is made again at the place that it has reached.
 * It knows for each shard which record it wants next, so that nothing is missed and nothing comes
 * twice. What comes is handed on in order; nothing is kept here.
 */

import { MillraceError } from '../errors.ts'
import type { ChildShard } from '../wire/operations.ts'
import type { gap as gapPush, heartbeat, shardEnded } from '../wire/pushes.ts'
import { RecordWindow } from '../wire/record-window.ts'
import type { SliceOptions } from '../wire/slice-cursor.ts'
import { sliceExtent } from '../wire/slice-extent.ts'
import type { SubscribedShard } from '../wire/structures.ts'
import { backoffMillis } from './backoff.ts'
import type { Clock } from './clock.ts'
import { CreditLedger } from './credit-ledger.ts'
import { FinishedShards } from './finished-shards.ts'
import { heals } from './healing.ts'
import type { PushExchange, PushListener, SubscriptionLine, Told } from './push-exchange.ts'
import type { ShardPosition } from './resume-token.ts'
import type { Gap } from './shard-cursor.ts'
import { sleep } from './sleep.ts'
import type { SubscriptionTarget } from './subscription-target.ts'

/** Who does nothing with what is there for so long gives up the subscription until it does. */
const idleMillisMax = 30_000
/** A subscription that lived so long has ended the row of failed attempts. */
const goodMillis = 5000

/** A shard that is read. */
export interface FollowedShard {
  readonly shardId: string
  readonly shardNumber: bigint
  /** The next record that is wanted; undefined at the end of a closed shard. */
  wanted: bigint | undefined
  /** How far behind its end it is read, in ms, as the broker last said; undefined before that. */
  millisBehind: number | undefined
}

/** What a subscription brings. */
export type PushItem =
  /** Shards are sent from here on: for the first time, or again on another connection. */
  | {
      readonly kind: 'started'
      readonly source: LastingSubscription
      readonly shards: readonly ShardBeginning[]
    }
  | {
      readonly kind: 'slice'
      readonly source: LastingSubscription
      readonly shard: FollowedShard
      readonly records: RecordWindow
      readonly next: bigint
      readonly millisBehindLatest: number
    }
  | {
      readonly kind: 'gap'
      /** Undefined for a shard that was gone before. */
      readonly source: LastingSubscription | undefined
      readonly shard: FollowedShard
      readonly gap: Gap
    }
  | {
      readonly kind: 'progress'
      readonly source: LastingSubscription
      readonly shards: readonly ShardAt[]
    }
  | {
      readonly kind: 'ended'
      readonly source: LastingSubscription
      readonly shard: FollowedShard
      readonly children: readonly ChildShard[]
    }

/**
 * Where a shard was when it began: by the time that somebody takes this up, records of it may have
 * come that wait behind this.
 */
export interface ShardBeginning {
  readonly shard: FollowedShard
  readonly next: bigint | undefined
}

/** How far a shard has been sent. */
export interface ShardAt {
  readonly shard: FollowedShard
  readonly next: bigint
  readonly millisBehindLatest: number
}

export interface SubscriptionParts extends SliceOptions {
  readonly exchange: PushExchange
  readonly clock: Clock
  readonly target: SubscriptionTarget
  readonly creditBytes: number
  /** Who takes what comes. */
  readonly loop: object
  /** Where it goes on; empty where it begins. */
  readonly positions: readonly ShardPosition[]
  /** Takes what comes, in the moment in which it comes. */
  deliver(item: PushItem): void
}

/** How a subscription ended that is made again. */
type Ending = MillraceError | 'lost' | 'parked' | 'finished' | 'closed'

export class LastingSubscription {
  readonly #parts: SubscriptionParts
  readonly #line: SubscriptionLine
  readonly #ledger: CreditLedger
  readonly #shards = new Map<number, FollowedShard>()
  readonly #finished = new FinishedShards()
  readonly #stop = new AbortController()
  #end: (ending: Ending) => void = () => undefined
  #startedAt: number | undefined
  #troubleSince: number | undefined
  #failures = 0
  /** Answers when the subscription is there for the first time; `run` rejects where it never is. */
  readonly started: Promise<void>
  #tellStarted: () => void = () => undefined

  constructor(parts: SubscriptionParts) {
    this.#parts = parts
    const { target, creditBytes, loop, exchange, clock } = parts
    const { streamName, shardId } = target
    this.#line = exchange.openLine({ streamName, shardId, creditBytes, loop })
    this.#ledger = new CreditLedger(clock, creditBytes, (bytes) => this.#line.giveBack(bytes))
    for (const { shardId: id, shardNumber, next } of parts.positions) {
      this.#follow({ shardId: id, shardNumber, wanted: next, millisBehind: undefined })
    }
    this.started = new Promise((resolve) => {
      this.#tellStarted = resolve
    })
  }

  get #isClosed(): boolean {
    return this.#stop.signal.aborted
  }

  /**
   * Answers when everything has been sent that there will ever be, or it was closed. Rejects with
   * what does not heal: STREAM_NOT_FOUND, CONSUMER_NOT_FOUND, SEQUENCE_NUMBER_IN_FUTURE,
   * CONSUMER_IN_USE (taken over by another subscription), LEASE_LOST, CLIENT_CLOSED, ...
   */
  async run(): Promise<void> {
    try {
      for (;;) {
        // What comes on the next connection must not add to what is still held of the last one.
        await this.#ledger.emptied()
        if (this.#isClosed) return
        const ending = await this.#subscribe()
        this.#ledger.shut()
        if (ending === 'finished' || this.#isClosed) return
        if (ending instanceof Error) await this.#recover(ending)
      }
    } catch (error) {
      if (!this.#isClosed) throw error
    } finally {
      this.#line.close()
      this.#ledger.shut()
    }
  }

  /** These bytes of a slice that was handed on are held no more. */
  done(bytes: number): void {
    this.#ledger.done(bytes)
  }

  /** Ends it: nothing is handed on any more. */
  close(): void {
    if (this.#isClosed) return
    this.#stop.abort(new MillraceError('CLIENT_CLOSED', 'the subscription is closed'))
    this.#line.close()
    this.#ledger.shut()
    this.#ledger.letGo()
    this.#end('closed')
  }

  #subscribe(): Promise<Ending> {
    return new Promise((resolve) => {
      this.#end = resolve
      this.#startedAt = undefined
      const { target, creditBytes } = this.#parts
      const wanted = target.request(this.#positions(), creditBytes)
      if (wanted === undefined) resolve('finished')
      else this.#line.subscribe(wanted, this.#listener())
    })
  }

  #positions(): ShardPosition[] {
    return Array.from(this.#shards.values(), ({ shardId, shardNumber, wanted }) => {
      return { shardId, shardNumber, next: wanted }
    })
  }

  #listener(): PushListener {
    return {
      started: (shards) => this.#begin(shards),
      shardStarted: (shard) => this.#tell([shard]),
      slice: (number, bytes) => this.#takeSlice(number, bytes),
      heartbeat: (fields) => this.#takeHeartbeat(fields),
      gap: (fields) => this.#takeGap(fields),
      shardEnded: (fields) => this.#endShard(fields),
      ended: (error, how) => this.#end(how ?? error ?? 'finished'),
    }
  }

  /** Waits where that may heal it. Rejects with the error where it does not. */
  async #recover(error: MillraceError): Promise<void> {
    const { clock, target } = this.#parts
    const now = clock.now()
    const lived = this.#startedAt === undefined ? 0 : now - this.#startedAt
    if (lived >= goodMillis) {
      this.#failures = 0
      this.#troubleSince = undefined
    }
    this.#troubleSince ??= now
    // Two that took a shard over from each other for ever would both read nothing.
    const isTakenOver = error.code === 'CONSUMER_IN_USE' && this.#startedAt !== undefined
    const isFinal = isTakenOver && !target.leaseCounter
    if (isFinal || !heals(error, now - this.#troubleSince)) throw error
    const millis = backoffMillis(this.#failures, clock.random(), error.retryAfterMs)
    this.#failures += 1
    await sleep(clock, millis, this.#stop.signal)
  }

  #begin(shards: readonly SubscribedShard[]): void {
    const { target } = this.#parts
    if (target.shardId !== undefined && this.#isOther(shards)) {
      const text = `stream ${target.streamName} was created again: its shards are other ones`
      this.#line.unsubscribe()
      this.#end(new MillraceError('SHARD_NOT_FOUND', text))
      return
    }
    this.#ledger.open()
    this.#startedAt = this.#parts.clock.now()
    this.#tell(shards)
    this.#tellStarted()
  }

  #isOther(shards: readonly SubscribedShard[]): boolean {
    return this.#shards.size > 0 && !shards.some((it) => this.#shards.has(Number(it.shardNumber)))
  }

  #tell(subscribed: readonly SubscribedShard[]): void {
    const shards = subscribed.map(({ shardId, shardNumber, firstSequenceNumber: wanted }) => {
      const known = this.#shards.get(Number(shardNumber))
      return known ?? this.#follow({ shardId, shardNumber, wanted, millisBehind: undefined })
    })
    const beginnings = shards.map((shard) => {
      // While there was no connection more may have come than is known of.
      shard.millisBehind = undefined
      return { shard, next: shard.wanted }
    })
    this.#parts.deliver({ kind: 'started', source: this, shards: beginnings })
  }

  #follow(shard: FollowedShard): FollowedShard {
    this.#shards.set(Number(shard.shardNumber), shard)
    this.#forget(this.#finished.begin(shard.shardId))
    return shard
  }

  #forget(shardIds: readonly string[]): void {
    for (const [number, { shardId }] of this.#shards) {
      if (shardIds.includes(shardId)) this.#shards.delete(number)
    }
  }

  #takeSlice(number: number, bytes: Uint8Array): void {
    const shard = this.#shards.get(number)
    this.#ledger.came(bytes.length)
    const { wanted } = shard ?? {}
    if (shard === undefined || wanted === undefined) {
      this.#ledger.done(bytes.length)
      return
    }
    const extent = sliceExtent(bytes, wanted)
    const { firstSequenceNumber, nextSequenceNumber, recordCount } = extent
    if (recordCount === 0) {
      this.#ledger.done(bytes.length)
      return
    }
    if (firstSequenceNumber > wanted) this.#tellGap(shard, wanted, firstSequenceNumber)
    shard.wanted = nextSequenceNumber
    const window = { slice: bytes, firstSequenceNumber, recordCount }
    this.#parts.deliver({
      kind: 'slice',
      source: this,
      shard,
      records: new RecordWindow(window, this.#parts),
      next: nextSequenceNumber,
      millisBehindLatest: shard.millisBehind ?? Math.max(1, Date.now() - extent.arrivalMillis),
    })
  }

  #takeGap(fields: Told<typeof gapPush>): void {
    const { shardNumber, startSequenceNumber, endSequenceNumber } = fields
    const shard = this.#shards.get(Number(shardNumber))
    if (shard?.wanted === undefined) return
    if (endSequenceNumber === undefined) {
      this.#shards.delete(Number(shardNumber))
      this.#tellGap(shard, startSequenceNumber, undefined)
    } else if (endSequenceNumber >= shard.wanted) {
      // A shard that begins behind the gap was not known before: all that is told of is missing.
      const lostFrom = endSequenceNumber > shard.wanted ? shard.wanted : startSequenceNumber
      shard.wanted = endSequenceNumber
      this.#tellGap(shard, lostFrom, endSequenceNumber)
    }
  }

  #tellGap(shard: FollowedShard, lostFrom: bigint, firstAvailable: bigint | undefined): void {
    const { shardId } = shard
    const gap = { shardId, lostFrom, firstAvailable }
    this.#parts.deliver({ kind: 'gap', source: this, shard, gap })
  }

  #takeHeartbeat(fields: Told<typeof heartbeat>): void {
    const shards: ShardAt[] = []
    for (const { shardNumber, nextSequenceNumber: next, millisBehindLatest } of fields.shards) {
      const shard = this.#shards.get(Number(shardNumber))
      if (shard?.wanted === undefined) continue
      shard.millisBehind = millisBehindLatest
      if (next > shard.wanted) shard.wanted = next
      shards.push({ shard, next: shard.wanted, millisBehindLatest })
    }
    this.#parts.deliver({ kind: 'progress', source: this, shards })
    if (this.#ledger.idleMillis >= idleMillisMax) this.#park()
  }

  /**
   * A loop that is busy for so long leaves the broker waiting, which takes that for a client that
   * is gone, and ends the connection with everything that is on it.
   */
  #park(): void {
    this.#line.unsubscribe()
    this.#end('parked')
  }

  #endShard(fields: Told<typeof shardEnded>): void {
    const { shardNumber, childShards } = fields
    const shard = this.#shards.get(Number(shardNumber))
    if (shard === undefined) return
    shard.wanted = undefined
    this.#forget(this.#finished.end(shard.shardId, childShards))
    this.#parts.deliver({ kind: 'ended', source: this, shard, children: childShards })
  }
}
