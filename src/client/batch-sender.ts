/**
 * Puts records into requests, sends those, and does with each answer what it asks for.
 *
 * Records of one key are stored in the order in which they were added, also where some are refused
 * for a while and come later (key-lanes.ts). Each request bears a number by which the broker knows
 * a repeat; a request whose fate is open is repeated as it was, one that was refused for certain
 * gets a new number with what is left of it.
 */

import { MillraceError } from '../errors.ts'
import { decodeBrokerFrame, parseAnswer } from '../wire/frame.ts'
import { type AnswerOf, putRecords } from '../wire/operations.ts'
import { putResults, refusalOf } from '../wire/put-answer.ts'
import { PutRecordsBuilder } from '../wire/put-builder.ts'
import type { Exchange, RecordInput } from '../wire/verbs.ts'
import { backoffMillis } from './backoff.ts'
import type { Clock, Timer } from './clock.ts'
import { bucketOf, KeyLanes, type Lane } from './key-lanes.ts'
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
  /** So many bytes are held no more. */
  freed(bytes: number): void
  /** A record without an AckWaiter is given up. */
  refused(refused: RefusedRecord): void
}

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
    const bucket = bucketOf(record.key)
    const lane = this.#lanes.hold(bucket)
    let batch = this.#openBatch(lane, heldBytes)
    const isNew = batch === undefined
    batch ??= new ProducerBatch(this.#takeBuilder(), this.#now() + this.#settings.lingerMillis)
    try {
      batch.add(record, bucket, heldBytes, this.taken)
    } catch (error) {
      this.#lanes.release(bucket)
      if (isNew) this.#freeBuilders.push(batch.end())
      throw error
    }
    if (isNew) lane.batches.push(batch)
    if (ack !== undefined) batch.acks.set(batch.count - 1, ack)
    this.taken += 1
    if (batch.count >= this.#settings.batchRecordsMax) this.#seal(lane, batch)
    else if (isNew && lane.batches[0] === batch) this.#wakeAt(batch.dueAt)
  }

  /** Sends what there is without waiting for more; answers when all of it has ended. */
  flush(): Promise<void> {
    return new Promise((done) => {
      // One more than there are batches, lest it be done before the last one is counted.
      const flush: FlushWaiter = { batchesLeft: 1, done }
      for (const lane of this.#lanes.all) {
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
    for (const lane of this.#lanes.all) this.#send(lane)
  }

  /** Sends the first batch of a lane, if it may be sent. */
  #send(lane: Lane): void {
    const batch = lane.batches[0]
    if (batch === undefined || lane.isBusy) return
    if (batch.dueAt > this.#now()) {
      this.#wakeAt(batch.dueAt)
      return
    }
    const { idempotent } = this.#settings
    batch.sealed = true
    batch.firstSentAt ??= this.#now()
    batch.producer ??= idempotent ? lane.nextProducer() : undefined
    lane.isBusy = true
    this.requests += 1
    this.#parts.exchange
      .put((id) => batch.frame(id), { repeatable: idempotent, timeoutMillis: Infinity })
      .then((frame) => this.#answered(lane, batch, parsePutAnswer(frame, batch.count)))
      .catch((error) => this.#failed(lane, batch, error))
  }

  #answered(lane: Lane, batch: ProducerBatch, answer: AnswerOf<typeof putRecords>): void {
    const again: number[] = []
    let wait = 0
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
          again.push(index)
          wait = Math.max(wait, error.retryAfterMs ?? 0)
        } else {
          // Whether an older repeat is stored is not known: the next ones have another name.
          if (error.code === 'PRODUCER_SEQUENCE_GAP') lane.renew()
          this.#refuse(batch, index, error)
        }
      })
    }
    // What went through shows that waiting less is enough.
    const attempt = again.length < batch.count ? 0 : batch.attempt
    const rest = again.length === 0 ? [] : [again]
    this.#finish(lane, batch, rest, (part) => this.#delay(part, attempt + 1, wait))
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
      this.#delay(batch, batch.attempt + 1, (error as MillraceError).retryAfterMs)
      lane.isBusy = false
      this.retries += 1
      this.#send(lane)
    } else {
      for (const index of indexes) this.#refuse(batch, index, error)
      this.#finish(lane, batch, [])
    }
  }

  /** Ends a batch that has its answer; what is left of it, in parts, goes on in its place. */
  #finish(
    lane: Lane,
    batch: ProducerBatch,
    parts: readonly number[][],
    delay: (part: ProducerBatch) => void = () => undefined,
  ): void {
    const records = parts.length === 0 ? [] : batch.records()
    const rest = parts.map((it) => batch.derive(this.#takeBuilder(), records, it))
    const left = new Set(parts.flat())
    this.retries += rest.length
    for (const part of rest) delay(part)
    lane.batches.splice(0, 1, ...rest)
    lane.isBusy = false
    let freed = batch.heldBytes
    batch.buckets.forEach((bucket, index) => {
      if (left.has(index)) freed -= batch.heldBytesOf(index)
      else this.#lanes.release(bucket)
    })
    this.#freeBuilders.push(batch.end())
    this.#events.freed(freed)
    this.#send(lane)
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

  /** The batch is sent when some time has passed: more with each attempt that brought nothing. */
  #delay(batch: ProducerBatch, attempt: number, retryAfterMillis: number | undefined): void {
    const { clock } = this.#parts
    batch.attempt = attempt
    batch.dueAt = clock.now() + backoffMillis(attempt - 1, clock.random(), retryAfterMillis)
  }

  #now(): number {
    return this.#parts.clock.now()
  }

  #takeBuilder(): PutRecordsBuilder {
    return this.#freeBuilders.pop() ?? this.#newBuilder()
  }

  #newBuilder(): PutRecordsBuilder {
    const { streamName, settings } = this.#parts
    return new PutRecordsBuilder({ streamName, durability: settings.durability })
  }
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
