/** Puts that wait for their acknowledgement, and how each of them is answered. */

import { type ErrorCode, MillraceError } from '../errors.ts'
import type { AppendAnswer, PutRecordsAnswer, Waiter } from '../log/log.ts'
import type { Stream } from '../stream/stream.ts'
import { encodeError } from '../wire/frame.ts'
import { putRecord } from '../wire/operations.ts'
import {
  encodePutBatchAnswer,
  encodePutRecordAnswer,
  encodePutRecordsAnswer,
  type NativeAnswerRow,
  readNativeAnswer,
} from '../wire/put-answer.ts'
import type { PutHead } from '../wire/put-frame.ts'
import { countRefused, type StreamCounts } from './stream-counters.ts'
import { asMillraceError } from './stream-errors.ts'

/** Takes the answer to a put: exactly one frame. Must not throw. */
export type TakeAnswer = (frame: Uint8Array) => void

/** Told when the log takes nothing any more. */
export type OnFailed = (error: MillraceError) => void

/** A stream that takes records. */
export interface PutTarget {
  readonly stream: Stream
  readonly counts: StreamCounts
  /** Its shards, by their numbers in the log. */
  readonly shards: ReadonlyMap<bigint, { readonly index: number; readonly id: string }>
}

export interface PutRequest {
  readonly head: PutHead
  readonly target: PutTarget
  /** Of its body. */
  readonly bytes: number
  readonly answer: TakeAnswer
}

/** The request itself is refused, or nobody knows what became of it. */
function answerFailure(request: PutRequest, error: unknown, onFailed: OnFailed): void {
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
    const rows = readNativeAnswer(answer.bytes)
    const only = rows[0]
    if (head.opcode === putRecord.opcode && only !== undefined) {
      this.#answerOne(only, answer)
      return
    }
    const { counts, shards } = target
    counts.appendBytes += this.#request.bytes
    const indexes = rows.map((row) => {
      if (row.errorCode === undefined) counts.appendRecords += row.count
      else this.#noteRefused(row.errorCode, row.count)
      return shards.get(row.shardNumber)?.index ?? 0
    })
    this.#request.answer(
      encodePutRecordsAnswer(head.requestId, answer.durability, indexes, answer.bytes),
    )
  }

  failed(error: unknown): void {
    answerFailure(this.#request, error, this.#onFailed)
  }

  #answerOne(row: NativeAnswerRow, { durability }: PutRecordsAnswer): void {
    if (row.errorCode !== undefined) {
      this.failed(new MillraceError(row.errorCode as ErrorCode))
      return
    }
    const { head, target, bytes, answer } = this.#request
    target.counts.appendRecords += 1
    target.counts.appendBytes += bytes
    const id = target.shards.get(row.shardNumber)?.id ?? ''
    answer(encodePutRecordAnswer(head.requestId, durability, id, row.firstSequenceNumber))
  }

  #noteRefused(code: string, count: number): void {
    countRefused(this.#request.target.counts.appendRefused, code, count)
    if (code === 'LOG_FAILED') this.#onFailed(new MillraceError('LOG_FAILED'))
  }
}

/** A PutBatch. */
export class PendingBatch implements Waiter<AppendAnswer> {
  readonly #request: PutRequest
  readonly #onFailed: OnFailed

  constructor(request: PutRequest, onFailed: OnFailed) {
    this.#request = request
    this.#onFailed = onFailed
  }

  done({ durability, firstSequenceNumber, duplicate, count }: AppendAnswer): void {
    const { head, target, bytes, answer } = this.#request
    target.counts.appendRecords += count
    target.counts.appendBytes += bytes
    answer(encodePutBatchAnswer(head.requestId, durability, firstSequenceNumber, duplicate))
  }

  failed(error: unknown): void {
    answerFailure(this.#request, error, this.#onFailed)
  }
}
