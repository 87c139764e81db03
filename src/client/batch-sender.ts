/**
 * Puts records into requests, sends those, and does with each answer what it asks for.
 *
 * Records of one key are stored in the order in which they were added, also where some are refused
 * for a while and come later (key-lanes.ts); those that a shard has no room for wait aside, and
 * hold up nothing that goes to others (side-lanes.ts). Each request bears a number by which the
 * broker knows a repeat; a request whose fate is open is repeated as it was, one that was refused
 * for certain gets a new number with what is left of it.
 */

import { MillraceError } from '../errors.ts'
import { decodeBrokerFrame, parseAnswer } from '../wire/frame.ts'
import { type AnswerOf, putRecords } from '../wire/operations.ts'
import { putResults, type RefusedPut, refusalOf } from '../wire/put-answer.ts'
import { PutRecordsBuilder } from '../wire/put-builder.ts'
import type { Exchange, RecordInput } from '../wire/verbs.ts'
import { backoffMillis } from './backoff.ts'
import type { Clock, Timer } from './clock.ts'
import { KeyLanes } from './key-lanes.ts'
import { bucketCount, bucketOf, type Lane, orderKeyOf } from './lane.ts'
import { type AckWaiter, countDown, type FlushWaiter, ProducerBatch } from './producer-batch.ts'
import type { ProducerSettings } from './producer-options.ts'
import { isTriedAgain, judgeRequest } from './producer-verdict.ts'
import type { RefusedRecord } from './refusals.ts'

export interface SenderParts {
  readonly exchange: Exchange
  readonly clock: Clock
  readonly streamName: string
  readonly settings: ProducerSettings
  /** Draws ids under which the broker tells producers apart: random, and not 0. */
  readonly newId: () => bigint
}

export interface SenderEvents {
  /** So many bytes, of those that are held, wait aside from now on. */
  wentAside(bytes: number): void
  /** So many bytes are held no more; whether they had gone aside. */
  freed(bytes: number, wereAside: boolean): void
  /** A record without an AckWaiter is given up. */
  refused(refused: RefusedRecord): void
}

const noMoves: ReadonlyMap<number, Lane> = new Map()

export class BatchSender {
  readonly #parts: SenderParts
  readonly #settings: ProducerSettings
  readonly #events: SenderEvents
  readonly #lanes: KeyLanes
  readonly #freeBuilders: PutRecordsBuilder[] = []
  #wake: { readonly at: number; readonly timer: Timer } | undefined
  /** Counts of records and requests, as ProducerStats has them. */
  taken = 0
  acknowledged = 0
  refused = 0
  requests = 0
  retries = 0

  /** Throws a MillraceError, INVALID_ARGUMENT, for what cannot be the name of a stream. */
  constructor(parts: SenderParts, events: SenderEvents) {
    this.#parts = parts
    this.#settings = parts.settings
    this.#events = events
    this.#lanes = new KeyLanes(parts.settings.inFlightMax, parts.newId)
    this.#freeBuilders.push(this.#newBuilder())
  }

  /**
   * Adds a record, which holds so many bytes until `freed` tells of them. Throws a TypeError or a
   * RangeError for what is no record, and then has added nothing.
   */
  add(record: RecordInput, heldBytes: number, ack: AckWaiter | undefined): void {
    const key = orderKeyOf(record)
    // Records that have no key may go to any lane, so that they need not wait for one another.
    const bucket = record.key === undefined ? this.taken % bucketCount : bucketOf(key)
    const lane = this.#lanes.hold(key, bucket)
    const open = this.#openBatch(lane, heldBytes)
    const batch = open ?? this.#newBatch()
    try {
      batch.add(record, bucket, heldBytes, this.taken)
    } catch (error) {
      this.#lanes.release(lane, key, bucket)
      if (open === undefined) this.#freeBuilders.push(batch.end())
      throw error
    }
    if (ack !== undefined) batch.acks.set(batch.count - 1, ack)
    this.taken += 1
    if (lane.isAside) this.#events.wentAside(heldBytes)
    this.#grown(lane, batch)
  }

  /**
   * Whether the record of this key would wait aside; undefined where it would not. Else what it
   * returns is to be called when the record is added, or is not to be: the key stays aside until
   * then, and so no later record of it can be sent before.
   */
  waitAside(key: string): (() => void) | undefined {
    const { aside } = this.#lanes
    return aside.hold(key) && (() => aside.release(key))
  }

  isAside(key: string): boolean {
    return this.#lanes.aside.laneOf(key) !== undefined
  }

  /** A batch of a lane has one record more. */
  #grown(lane: Lane, batch: ProducerBatch): void {
    if (lane.batches.at(-1) !== batch) lane.batches.push(batch)
    if (batch.count >= this.#settings.batchRecordsMax) this.#seal(lane, batch)
    else if (batch.count === 1 && lane.batches[0] === batch) this.#wakeAt(dueAtOf(lane, batch))
  }

  /** Sends what there is without waiting for more; answers when all of it has ended. */
  flush(): Promise<void> {
    return new Promise((done) => {
      // One more than there are batches, lest it be done before the last one is counted.
      const flush: FlushWaiter = { batchesLeft: 1, done }
      for (const lane of this.#lanes.all()) {
        for (const batch of lane.batches) {
          if (!batch.sealed) batch.dueAt = 0
          batch.inform(flush)
        }
      }
      this.#sendAll()
      countDown(flush)
    })
  }

  /** The batch of the lane that has room for so many bytes. */
  #openBatch(lane: Lane, bytes: number): ProducerBatch | undefined {
    const { open } = lane
    if (open === undefined || open.size + bytes <= this.#settings.batchBytesMax) return open
    this.#seal(lane, open)
    return undefined
  }

  #seal(lane: Lane, batch: ProducerBatch): void {
    batch.sealed = true
    batch.dueAt = 0
    this.#send(lane)
  }

  #wakeAt(at: number): void {
    if (this.#wake !== undefined && this.#wake.at <= at) return
    this.#wake?.timer.cancel()
    const timer = this.#parts.clock.after(Math.max(0, at - this.#now()), () => this.#sendAll())
    // What is held is the user's: a script does not end before it is sent.
    timer.keepAlive(true)
    this.#wake = { at, timer }
  }

  /** Lanes whose time has not come ask to be woken again. */
  #sendAll(): void {
    this.#wake?.timer.cancel()
    this.#wake = undefined
    for (const lane of this.#lanes.all()) this.#send(lane)
  }

  /** Sends the first batch of a lane, if it may be sent. */
  #send(lane: Lane): void {
    const batch = lane.batches[0]
    if (batch === undefined || lane.isBusy) return
    const dueAt = dueAtOf(lane, batch)
    if (dueAt > this.#now()) {
      this.#wakeAt(dueAt)
      return
    }
    const { idempotent } = this.#settings
    batch.sealed = true
    batch.producer ??= idempotent ? lane.nextProducer() : undefined
    if (!lane.isAside && this.#lanes.aside.mayHave(batch.buckets) && this.#sortOut(lane, batch)) {
      return
    }
    if (batch.firstSentAt !== undefined || batch.attempt > 0) this.retries += 1
    batch.firstSentAt ??= this.#now()
    lane.isBusy = true
    this.requests += 1
    this.#parts.exchange
      .put((id) => batch.frame(id), { repeatable: idempotent, timeoutMillis: Infinity })
      .then((frame) => this.#answered(lane, batch, parsePutAnswer(frame, batch.count)))
      .catch((error) => this.#failed(lane, batch, error))
  }

  /**
   * Before a batch is sent for the first time: has its records of keys that are aside by now follow
   * those. Answers whether there were any; the others are sent.
   */
  #sortOut(lane: Lane, batch: ProducerBatch): boolean {
    if (batch.firstSentAt !== undefined) return false
    const moves = new Map<number, Lane>()
    const rest: number[] = []
    batch.records().forEach((record, index) => {
      const aside = this.#lanes.aside.hold(orderKeyOf(record))
      if (aside === undefined) rest.push(index)
      else moves.set(index, aside)
    })
    if (moves.size > 0) this.#finish(lane, batch, [rest], moves)
    return moves.size > 0
  }

  #answered(lane: Lane, batch: ProducerBatch, answer: AnswerOf<typeof putRecords>): void {
    const again = new Map<number, RefusedPut>()
    if (answer.outcome.failedCount === 0 && batch.acks.size === 0) {
      this.acknowledged += batch.count
    } else {
      const { durability } = answer
      putResults(answer).forEach((result, index) => {
        if ('sequenceNumber' in result) {
          this.acknowledged += 1
          batch.acks.get(index)?.resolve({ ...result, durability })
          return
        }
        const error = refusalOf(result, this.#parts.streamName)
        if (isTriedAgain(error) && !this.#isTooLate(batch)) {
          again.set(index, result)
        } else {
          // Whether an older repeat is stored is not known: the next ones have another name.
          if (error.code === 'PRODUCER_SEQUENCE_GAP') lane.renew()
          this.#refuse(batch, index, error)
        }
      })
    }
    const moves = lane.isAside ? noMoves : this.#findMoves(batch, again)
    const rest = [...again].filter(([index]) => !moves.has(index))
    if (rest.length > 0) {
      // What went through shows that waiting less is enough.
      const attempt = again.size < batch.count ? 0 : batch.attempt
      const wait = Math.max(...rest.map(([, it]) => it.retryAfterMs ?? 0))
      batch.attempt = attempt + 1
      this.#delay(lane, batch.attempt, wait)
    }
    this.#finish(lane, batch, [rest.map(([index]) => index)], moves)
  }

  /** Which records go aside: those that a shard has no room for, and later ones of their keys. */
  #findMoves(batch: ProducerBatch, again: ReadonlyMap<number, RefusedPut>): Map<number, Lane> {
    const { aside } = this.#lanes
    const moves = new Map<number, Lane>()
    const shards = new Map<string, RefusedPut>()
    const keyOf = (index: number) => orderKeyOf(batch.records()[index] as RecordInput)
    for (const [index, refused] of again) {
      if (refused.errorCode !== 'THROUGHPUT_EXCEEDED' || shards.has(keyOf(index))) continue
      // Without a key it is in no order, and goes elsewhere when it is tried again.
      if (batch.records()[index]?.key === undefined) continue
      shards.set(keyOf(index), refused)
    }
    if (shards.size === 0) return moves
    for (const index of again.keys()) {
      const refused = shards.get(keyOf(index))
      if (refused === undefined) continue
      const lane = aside.move(keyOf(index), refused.shardId)
      moves.set(index, lane)
      const isWaiting = lane.batches.length > 0 || lane.notBefore > this.#now()
      if (!isWaiting) this.#delay(lane, 1, refused.retryAfterMs)
    }
    return moves
  }

  #failed(lane: Lane, batch: ProducerBatch, error: unknown): void {
    const { count } = batch
    const { idempotent } = this.#settings
    const verdict = judgeRequest(error, { idempotent, recordCount: count })
    const indexes = Array.from({ length: count }, (_, index) => index)
    if (verdict === 'split') {
      const half = count >>> 1
      this.#finish(lane, batch, [indexes.slice(0, half), indexes.slice(half)])
    } else if (verdict === 'repeat' && !this.#isTooLate(batch)) {
      batch.attempt += 1
      this.#delay(lane, batch.attempt, (error as MillraceError).retryAfterMs)
      lane.isBusy = false
      this.#send(lane)
    } else {
      for (const index of indexes) this.#refuse(batch, index, error)
      this.#finish(lane, batch, [])
    }
  }

  /**
   * Ends a batch that has its answer, or is not sent as it is: what is left of it, in parts, goes
   * on in its place, and `moves` to other lanes.
   */
  #finish(
    lane: Lane,
    batch: ProducerBatch,
    parts: readonly number[][],
    moves: ReadonlyMap<number, Lane> = noMoves,
  ): void {
    const left = new Set(parts.flat())
    const needsRecords = left.size > 0 || moves.size > 0 || lane.isAside
    const records = needsRecords ? batch.records() : []
    const rest = parts
      .filter((it) => it.length > 0)
      .map((it) => batch.derive(this.#takeBuilder(), records, it))
    lane.batches.splice(0, 1, ...rest)
    lane.isBusy = false
    let freed = batch.heldBytes
    batch.buckets.forEach((bucket, index) => {
      const to = moves.get(index)
      if (to !== undefined) this.#moveTo(to, batch, index)
      if (to !== undefined || left.has(index)) freed -= batch.heldBytesOf(index)
      if (!left.has(index)) this.#lanes.release(lane, records[index]?.key ?? '', bucket)
    })
    this.#freeBuilders.push(batch.end())
    this.#events.freed(freed, lane.isAside)
    this.#send(lane)
  }

  /** Puts a record of a batch at the end of a lane aside. */
  #moveTo(lane: Lane, from: ProducerBatch, index: number): void {
    const bytes = from.heldBytesOf(index)
    const batch = this.#openBatch(lane, bytes) ?? this.#newBatch()
    batch.takeOver(from, index, from.records()[index] as RecordInput)
    // What was refused once is tried again; what only follows it is not.
    if (from.firstSentAt !== undefined) batch.attempt = Math.max(batch.attempt, 1)
    this.#events.wentAside(bytes)
    this.#grown(lane, batch)
  }
  #refuse(batch: ProducerBatch, index: number, cause: unknown): void {
    this.refused += 1
    const ack = batch.acks.get(index)
    if (ack !== undefined) {
      ack.reject(cause)
      return
    }
    const { key, data } = batch.records()[index] as RecordInput
    const error = cause instanceof MillraceError ? cause : internalError(cause)
    const refused = { ordinal: batch.ordinals[index] as number, key, data, error }
    this.#events.refused(refused)
  }

  #isTooLate({ firstSentAt = 0 }: ProducerBatch): boolean {
    return this.#now() - firstSentAt >= this.#settings.retryMillisMax
  }

  /** The lane sends when some time has passed: more with each attempt that brought nothing. */
  #delay(lane: Lane, attempt: number, retryAfterMillis: number | undefined): void {
    const { clock } = this.#parts
    lane.notBefore = clock.now() + backoffMillis(attempt - 1, clock.random(), retryAfterMillis)
  }

  #now(): number {
    return this.#parts.clock.now()
  }

  #newBatch(): ProducerBatch {
    return new ProducerBatch(this.#takeBuilder(), this.#now() + this.#settings.lingerMillis)
  }

  #takeBuilder(): PutRecordsBuilder {
    return this.#freeBuilders.pop() ?? this.#newBuilder()
  }

  #newBuilder(): PutRecordsBuilder {
    const { streamName, settings } = this.#parts
    return new PutRecordsBuilder({ streamName, durability: settings.durability })
  }
}

function dueAtOf(lane: Lane, batch: ProducerBatch): number {
  return Math.max(batch.dueAt, lane.notBefore)
}

/** Throws a MillraceError, PROTOCOL_VIOLATION. */
function parsePutAnswer(frame: Uint8Array, recordCount: number): AnswerOf<typeof putRecords> {
  const decoded = decodeBrokerFrame(frame)
  if (decoded.kind === 'answer') {
    const answer = parseAnswer(putRecords, decoded.values)
    const { shards, ordinals } = answer.outcome
    if (ordinals.length === recordCount * (shards.length > 256 ? 2 : 1)) return answer
  }
  throw new MillraceError('PROTOCOL_VIOLATION', `wanted an answer for ${recordCount} records`)
}

function internalError(cause: unknown): MillraceError {
  const text = cause instanceof Error ? cause.message : String(cause)
  return new MillraceError('INTERNAL', text, { cause })
}
