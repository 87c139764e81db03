/** Puts that wait for their acknowledgement, and how each of them is answered. */

import { type ErrorCode, MillraceError } from '../errors.ts'
import type { AppendAnswer, Durability, PutPart, PutRecordsAnswer, Waiter } from '../log/log.ts'
import type { Shard } from '../shard/shard.ts'
import type { Stream } from '../stream/stream.ts'
import { encodeError } from '../wire/frame.ts'
import { putRecord } from '../wire/operations.ts'
import {
  encodePutBatchAnswer,
  encodePutRecordAnswer,
  encodePutRecordsAnswer,
  rateExceeded,
} from '../wire/put-answer.ts'
import type { PutHead } from '../wire/put-frame.ts'
import { shardIdText } from '../wire/shard-id-text.ts'
import type { AckTimes } from './ack-times.ts'
import { countRefused, type StreamCounts } from './stream-counters.ts'
import { asMillraceError } from './stream-errors.ts'

/** Takes the answer to a put: exactly one frame. Must not throw. */
export type TakeAnswer = (frame: Uint8Array) => void

/** Told when the log takes nothing any more. */
export type OnFailed = (error: MillraceError) => void

/** A shard as answers name it. */
export interface RoutedShard {
  readonly index: number
  readonly id: string
}

/** A stream that takes records. */
export interface PutTarget {
  readonly stream: Stream
  readonly counts: StreamCounts
  readonly acks: AckTimes
  /** The most that acknowledgements promise. */
  readonly durabilityMax: Durability
  /** Whether its shards have limits. */
  readonly isLimited: boolean
  /**
   * The shards that records are put to, and behind them those of previous maps, as they stand in
   * its routes.
   */
  readonly routes: readonly RoutedShard[]
  /** Those that records are put to, by index, and the place of each among the routes. */
  readonly shards: ReadonlyMap<number, { readonly shard: Shard; readonly place: number }>
}

export interface PutRequest {
  readonly head: PutHead
  readonly target: PutTarget
  /** Of its body. */
  readonly bytes: number
  /** When it came, as `acks` has it. */
  readonly begun: number
  readonly answer: TakeAnswer
}

/** What an acknowledgement means where no more than `most` is promised. */
export function weaker(durability: Durability | undefined, most: Durability): Durability {
  return durability === 'os' ? durability : most
}

/** The request itself is refused, or nobody knows what became of it. */
export function answerFailure(request: PutRequest, error: unknown, onFailed: OnFailed): void {
  const refusal = asMillraceError(error)
  const { head, target, answer } = request
  countRefused(target.counts.appendRefused, refusal.code, 1)
  answer(encodeError(head.opcode, head.requestId, refusal))
  if (refusal.code === 'LOG_FAILED') onFailed(refusal)
}

/** A PutRecord or a PutRecords. */
export class PendingRecords implements Waiter<PutRecordsAnswer> {
  readonly #request: PutRequest
  readonly #onFailed: OnFailed

  constructor(request: PutRequest, onFailed: OnFailed) {
    this.#request = request
    this.#onFailed = onFailed
  }

  done(answer: PutRecordsAnswer): void {
    const { head, target } = this.#request
    const { parts } = answer
    const durability = weaker(answer.durability, target.durabilityMax)
    const only = parts[0]
    if (head.opcode === putRecord.opcode && only !== undefined) {
      this.#answerOne(only, durability)
      return
    }
    const { counts, routes, acks } = target
    const recordsBefore = counts.appendRecords
    counts.appendBytes += this.#request.bytes
    const indexes = parts.map((part) => {
      if (part.errorCode === undefined) counts.appendRecords += part.count
      else this.#noteRefused(part.errorCode, part.count)
      return (routes[part.route] as RoutedShard).index
    })
    if (counts.appendRecords > recordsBefore) acks.end(this.#request.begun, durability)
    this.#request.answer(encodePutRecordsAnswer(head.requestId, durability, indexes, answer.bytes))
  }

  failed(error: unknown): void {
    answerFailure(this.#request, error, this.#onFailed)
  }

  #answerOne(part: PutPart, durability: Durability): void {
    if (part.errorCode !== undefined) {
      this.failed(this.#refusalOf(part, part.errorCode))
      return
    }
    const { head, target, bytes, begun, answer } = this.#request
    target.counts.appendRecords += 1
    target.counts.appendBytes += bytes
    target.acks.end(begun, durability)
    const { id } = target.routes[part.route] as RoutedShard
    answer(encodePutRecordAnswer(head.requestId, durability, id, part.firstSequenceNumber))
  }

  #refusalOf({ route, retryAfterMs }: PutPart, code: ErrorCode): MillraceError {
    if (code !== 'THROUGHPUT_EXCEEDED') return new MillraceError(code)
    const { stream, routes } = this.#request.target
    return rateExceeded((routes[route] as RoutedShard).id, stream.name, retryAfterMs)
  }

  #noteRefused(code: string, count: number): void {
    countRefused(this.#request.target.counts.appendRefused, code, count)
    if (code === 'LOG_FAILED') this.#onFailed(new MillraceError('LOG_FAILED'))
  }
}

/** A PutBatch. */
export class PendingBatch implements Waiter<AppendAnswer> {
  readonly #request: PutRequest
  readonly #shardIndex: number
  readonly #onFailed: OnFailed

  /** `shardIndex` is the shard that the request names. */
  constructor(request: PutRequest, shardIndex: number, onFailed: OnFailed) {
    this.#request = request
    this.#shardIndex = shardIndex
    this.#onFailed = onFailed
  }

  done({ durability: reached, firstSequenceNumber, duplicate, count }: AppendAnswer): void {
    const { head, target, bytes, begun, answer } = this.#request
    target.counts.appendRecords += count
    target.counts.appendBytes += bytes
    const durability = weaker(reached, target.durabilityMax)
    target.acks.end(begun, durability)
    answer(encodePutBatchAnswer(head.requestId, durability, firstSequenceNumber, duplicate))
  }

  failed(error: unknown): void {
    const isThrottled = error instanceof MillraceError && error.code === 'THROUGHPUT_EXCEEDED'
    const refusal = isThrottled ? this.#rateExceeded(error.retryAfterMs) : error
    answerFailure(this.#request, refusal, this.#onFailed)
  }

  #rateExceeded(retryAfterMs: number | undefined): MillraceError {
    const { stream } = this.#request.target
    return rateExceeded(shardIdText(this.#shardIndex), stream.name, retryAfterMs)
  }
}
