/** The subscriptions of one connection, or of one program that embeds the broker. */

import { MillraceError } from '../../errors.ts'
import { shardsPerSubscriptionMax } from '../../limits.ts'
import type { Shard } from '../../shard/shard.ts'
import type { Stream } from '../../stream/stream.ts'
import type { AnswerOf, Operation, RequestOf } from '../../wire/operation.ts'
import { shardIdText } from '../../wire/shard-id-text.ts'
import {
  subscribeToShard,
  subscribeToStream,
  unsubscribe,
} from '../../wire/subscription-operations.ts'
import { anyone, type Caller, denial } from '../caller.ts'
import { isDueWhole } from '../consumers/leases.ts'
import { requireCallRight, subscribeRight } from '../operation-rights.ts'
import { checkStart, findStart, type StartRequest, servedShard } from '../start-position.ts'
import { asMillraceError, streamNotFound } from '../stream-errors.ts'
import { Credit } from './credit.ts'
import { type FanOut, type Place, placeOf } from './fan-out.ts'
import { subscribedShardOf } from './shard-cursor.ts'
import { SharedWay } from './shared-way.ts'
import type { SubscriptionSink } from './sink.ts'
import { lineageFrom, planResume, type StreamLineage } from './stream-lineage.ts'
import { Subscription } from './subscription.ts'
import { type Scope, whereItStands } from './subscription-parts.ts'
import { checkResume, resumeAt, tooManyShards } from './subscription-requests.ts'

type ShardRequest = RequestOf<typeof subscribeToShard>
type StreamRequest = RequestOf<typeof subscribeToStream>

interface Placed {
  readonly shard: Shard
  readonly place: Place
}

export class Subscriptions {
  readonly #fanOut: FanOut
  readonly #way: SharedWay
  readonly #byId = new Map<number, Subscription>()
  /** Heartbeats for which something may wait for credit. */
  readonly #owedBeatsMax: number
  readonly #starvingBeatsMax: number
  #lastId = 0

  constructor(fanOut: FanOut, sink: SubscriptionSink) {
    const { creditMillisMax, starvingMillisMax, heartbeatMillis } = fanOut.limits
    this.#fanOut = fanOut
    this.#way = new SharedWay(sink, new Credit(fanOut.limits.connectionCreditBytesMax))
    this.#owedBeatsMax = Math.ceil(creditMillisMax / heartbeatMillis)
    const starvingBeatsMax = Math.ceil(starvingMillisMax / heartbeatMillis)
    this.#starvingBeatsMax = Math.min(starvingBeatsMax, this.#owedBeatsMax)
  }

  /**
   * Carries out one of the three operations of subscriptions. Nothing is sent to a subscription
   * before whoever awaits this has gone on. Rejects with a MillraceError.
   */
  async call<Op extends Operation>(
    operation: Op,
    request: RequestOf<Op>,
    caller: Caller = anyone,
  ): Promise<AnswerOf<Op>> {
    try {
      requireCallRight(caller, operation, request)
      const answer = await this.#call(operation.opcode, request as never)
      this.#requireStill(caller, operation, request, answer)
      return answer as AnswerOf<Op>
    } catch (error) {
      const reason = asMillraceError(error)
      this.#fanOut.report(reason)
      throw reason
    }
  }

  /** What was allowed when it was asked for may have been taken away before it has begun. */
  #requireStill(caller: Caller, operation: Operation, request: object, answer: unknown): void {
    try {
      requireCallRight(caller, operation, request)
    } catch (error) {
      const { subscriptionId } = answer as { readonly subscriptionId?: number }
      if (subscriptionId !== undefined) this.#byId.get(subscriptionId)?.stop()
      throw error
    }
  }

  /** Bytes come back. For a subscription that is not there nothing happens: it may have ended. */
  credit(id: number, bytes: number): void {
    const subscription = this.#byId.get(id)
    if (subscription === undefined || subscription.giveBack(bytes)) return
    const text = `credit: ${bytes} bytes came back, ${subscription.bytesOut} were on their way`
    subscription.end(new MillraceError('INVALID_ARGUMENT', text))
  }

  /** Whether the client owes credit: for that alone it is cut off, at its time. */
  owesCredit(): boolean {
    for (const subscription of this.#byId.values()) if (subscription.owesCredit) return true
    return false
  }

  /** Bytes that waited in the sink have left. */
  drained(): void {
    if (!this.#way.isPaused || this.#way.sink.bufferedBytes() > 0) return
    this.#way.isPaused = false
    for (const subscription of this.#byId.values()) subscription.resume()
  }

  /** Ends those, with ACCESS_DENIED, that the caller may not have any more. */
  recheck(caller: Caller): void {
    for (const subscription of [...this.#byId.values()]) {
      const { streamName } = subscription
      if ((caller.rightsOn(streamName) & subscribeRight) !== 0) continue
      subscription.end(denial(caller, subscribeRight, 'a subscription', streamName))
    }
  }

  /**
   * Ends all of them, each with where it stands: nothing is sent any more. Answers where the first
   * one stands that owes credit, for people.
   */
  finish(): string | undefined {
    const all = [...this.#byId.values()]
    const owing = all.find((it) => it.owesCredit)
    const text = owing && whereItStands(owing)
    for (const subscription of all) subscription.finish()
    this.close()
    return text
  }

  /** Ends all of them without a word: nothing is sent any more. */
  close(): void {
    this.#way.isClosed = true
    for (const subscription of [...this.#byId.values()]) subscription.stop()
  }

  async #call(opcode: number, request: never): Promise<unknown> {
    switch (opcode) {
      case subscribeToShard.opcode:
        return await this.#subscribeToShard(request)
      case subscribeToStream.opcode:
        return await this.#subscribeToStream(request)
      case unsubscribe.opcode:
        return this.#unsubscribe(request)
      default:
        throw new MillraceError('PROTOCOL_VIOLATION', `operation ${opcode} is no subscription`)
    }
  }

  async #subscribeToShard(request: ShardRequest): Promise<AnswerOf<typeof subscribeToShard>> {
    const { context } = this.#fanOut
    const { streamName, shardId, startingSequenceNumber, timestamp } = request
    this.#checkRoom()
    const { stream, shard } = servedShard(context.streams, streamName, shardId)
    this.#checkConsumer(request, stream, shard)
    const asked: StartRequest = {
      operation: subscribeToShard.name,
      streamName,
      type: request.startingPositionType,
      startingSequenceNumber,
      timestamp,
    }
    checkStart(asked, context.now())
    const isWhole = this.#isDueWhole(request, stream, shard)
    const start = isWhole ? resumeAt(asked, shard, new Map()) : asked
    const place = await placeOf(context.log, shard, await findStart(context.log, start, shard))
    // Meanwhile the stream may have been deleted, and another one created.
    const now = servedShard(context.streams, streamName, shardId)
    if (now.shard.number !== shard.number) throw streamNotFound(streamName)
    this.#checkConsumer(request, stream, shard)
    const scope: Scope = {
      covers: (index) => index === shard.index,
      finished: (subscription) => subscription.end(),
    }
    const subscription = this.#begin(request, stream, scope, [{ shard, place }])
    const [cursor] = subscription.cursors.values()
    if (cursor === undefined) throw streamNotFound(streamName)
    // Whoever notes where it begins has not passed over a gap that it was not told of.
    const answer = { ...subscribedShardOf(cursor), firstSequenceNumber: place.wanted }
    return { subscriptionId: subscription.id, shard: answer }
  }

  /** Whether a worker of a consumer is to get a shard from its first record on, trimmed or not. */
  #isDueWhole(request: ShardRequest, { number }: Stream, shard: Shard): boolean {
    const { consumerName, leaseCounter } = request
    if (consumerName === undefined || leaseCounter === undefined) return false
    const consumer = this.#fanOut.context.consumers.stored.find(number, consumerName)
    return consumer !== undefined && isDueWhole(shard, consumer, request)
  }

  async #subscribeToStream(request: StreamRequest): Promise<AnswerOf<typeof subscribeToStream>> {
    const { context } = this.#fanOut
    const { streamName, resume, startingPositionType: type, timestamp } = request
    this.#checkRoom()
    const stream = this.#requireStream(streamName)
    this.#checkConsumer(request, stream)
    checkResume(resume)
    const start: StartRequest = { operation: subscribeToStream.name, streamName, type, timestamp }
    if (resume.length === 0) checkStart(start, context.now())
    const horizon = context.streams.retention.horizonOf(stream)
    const plan =
      resume.length > 0
        ? planResume(stream, resume, horizon)
        : {
            lineage: lineageFrom(stream, type, timestamp, horizon),
            next: undefined,
            gone: [],
          }
    const begun = plan.lineage.take(stream.shards)
    if (begun.length > shardsPerSubscriptionMax) throw tooManyShards(stream, begun.length)
    const placed = await this.#placeAll(start, begun, plan.next)
    const now = this.#requireStream(streamName)
    if (now.number !== stream.number) throw streamNotFound(streamName)
    this.#checkConsumer(request, now)
    const subscription = this.#begin(request, now, this.#scopeOf(plan.lineage), placed)
    for (const { shardNumber, nextSequenceNumber } of plan.gone) {
      subscription.beginsWithGap({
        shardNumber,
        reason: 'SHARD_GONE',
        startSequenceNumber: nextSequenceNumber,
      })
    }
    const shards = Array.from(subscription.cursors.values(), subscribedShardOf)
    return { subscriptionId: subscription.id, shards }
  }

  #unsubscribe({ subscriptionId }: RequestOf<typeof unsubscribe>): AnswerOf<typeof unsubscribe> {
    const subscription = this.#byId.get(subscriptionId)
    if (subscription === undefined) {
      throw new MillraceError(
        'INVALID_ARGUMENT',
        `subscriptionId is ${subscriptionId}, this connection has no such subscription (any more)`,
      )
    }
    subscription.stop()
    return {}
  }

  async #placeAll(
    start: StartRequest,
    shards: readonly Shard[],
    next: ReadonlyMap<number, bigint> | undefined,
  ): Promise<Placed[]> {
    const { log } = this.#fanOut.context
    const placed: Placed[] = []
    for (const shard of shards) {
      const request = next === undefined ? start : resumeAt(start, shard, next)
      const place = await placeOf(log, shard, await findStart(log, request, shard))
      placed.push({ shard, place })
    }
    return placed
  }

  /** Everything that may fail comes first; from then on the subscription is there. */
  #begin(
    request: ShardRequest | StreamRequest,
    stream: Stream,
    scope: Scope,
    placed: readonly Placed[],
  ): Subscription {
    const fanOut = this.#fanOut
    this.#checkRoom()
    this.#checkOverlap(stream, scope)
    const subscription = new Subscription({
      id: this.#nextId(),
      streamName: stream.name,
      streamNumber: stream.number,
      consumerName: request.consumerName,
      leaseCounter: 'leaseCounter' in request ? request.leaseCounter : undefined,
      creditBytes: Math.min(request.creditBytes, fanOut.limits.subscriptionCreditBytesMax),
      scope,
      way: this.#way,
      share: fanOut.shares.join(this.#way.sink.sharer),
      owner: fanOut,
    })
    const shards = placed.map((it) => it.shard)
    try {
      fanOut.claims.claim(subscription, shards, fanOut.context.elapsed())
      for (const it of placed) this.#add(subscription, it)
    } catch (error) {
      subscription.stop()
      throw error
    }
    this.#keep(subscription)
    return subscription
  }

  #add(subscription: Subscription, { shard, place }: Placed): void {
    if (subscription.hasEnded) return
    const { wanted, next } = place
    subscription.add(this.#fanOut.cursor(subscription, shard, place))
    if (wanted === next) return
    subscription.beginsWithGap({
      shardNumber: shard.number,
      reason: 'TRIMMED',
      startSequenceNumber: wanted,
      endSequenceNumber: next,
    })
  }

  #keep(subscription: Subscription): void {
    const { id } = subscription
    this.#byId.set(id, subscription)
    this.#fanOut.register(subscription)
    const stopBeats = this.#fanOut.heartbeats.add(() => {
      const beats = subscription.beat()
      const isStarving = subscription.share.isStarvedBy(subscription)
      const beatsMax = isStarving ? this.#starvingBeatsMax : this.#owedBeatsMax
      if (beats > beatsMax) this.#way.sink.stalled()
    })
    subscription.onEnd(() => {
      this.#byId.delete(id)
      stopBeats()
    })
    // The answer leaves in this turn of the event loop.
    setImmediate(() => subscription.begin())
  }

  #scopeOf(lineage: StreamLineage): Scope {
    return {
      covers: (index) => lineage.covers(index),
      finished: (subscription, index) => {
        lineage.finish(index)
        void this.#goOn(subscription, lineage)
      },
    }
  }

  /** Begins with the shards whose parents have been sent. Never rejects. */
  async #goOn(subscription: Subscription, lineage: StreamLineage): Promise<void> {
    const { streamName } = subscription
    const start: StartRequest = {
      operation: subscribeToStream.name,
      streamName,
      type: 'TRIM_HORIZON',
    }
    try {
      const shards = lineage.take(this.#requireStream(streamName).shards)
      const placed = await this.#placeAll(start, shards, new Map())
      if (subscription.hasEnded) return
      const { claims, context } = this.#fanOut
      claims.claim(subscription, shards, context.elapsed())
      for (const it of placed) this.#add(subscription, it)
    } catch (error) {
      subscription.end(asMillraceError(error))
    }
  }

  #requireStream(streamName: string): Stream {
    const stream = this.#fanOut.context.streams.serving(streamName)
    if (stream === undefined) throw streamNotFound(streamName)
    return stream
  }

  #checkConsumer(request: ShardRequest | StreamRequest, { number }: Stream, shard?: Shard): void {
    const { consumers } = this.#fanOut.context
    const { streamName, consumerName } = request
    const leaseCounter = 'leaseCounter' in request ? request.leaseCounter : undefined
    if (consumerName === undefined) {
      if (leaseCounter === undefined) return
      throw new MillraceError('INVALID_ARGUMENT', 'leaseCounter: give the consumerName, too')
    }
    consumers.checkSubscriber(streamName, consumerName)
    if (leaseCounter === undefined || shard === undefined) return
    const current = consumers.currentLease(number, consumerName, shard.index)?.counter
    if (current === leaseCounter) return
    throw new MillraceError(
      'LEASE_LOST',
      `leaseCounter is ${leaseCounter}, the newest lease of shard ${shardIdText(shard.index)} ` +
        `for consumer ${consumerName} is ${current ?? 'none'}`,
    )
  }

  #checkRoom(): void {
    if (this.#way.isClosed || this.#fanOut.isClosed) throw new MillraceError('SERVER_CLOSING')
    const { subscriptionsMax } = this.#fanOut.limits
    if (this.#byId.size < subscriptionsMax) return
    throw new MillraceError(
      'LIMIT_EXCEEDED',
      `this connection has ${this.#byId.size} subscriptions, at most ${subscriptionsMax} ` +
        '(subscriptionsMax); unsubscribe, or open another connection',
    )
  }

  /** The number of a shard in a slice has to say which subscription it belongs to. */
  #checkOverlap(stream: Stream, scope: Scope): void {
    for (const other of this.#byId.values()) {
      if (other.streamNumber !== stream.number) continue
      for (const { index } of stream.shards.values()) {
        if (!scope.covers(index) || !other.scope.covers(index)) continue
        throw new MillraceError(
          'INVALID_ARGUMENT',
          `shard ${shardIdText(index)} of stream ${stream.name} is sent to subscription ` +
            `${other.id} of this connection; unsubscribe, or open another connection`,
        )
      }
    }
  }

  #nextId(): number {
    do this.#lastId = (this.#lastId + 1) % 2 ** 32
    while (this.#byId.has(this.#lastId))
    return this.#lastId
  }
}
