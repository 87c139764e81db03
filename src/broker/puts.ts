/**
 * The puts: from a frame as it was received to the frame that answers it. One native call per
 * frame; no record is looked at here. This runs for every put, so it makes few objects.
 */

import { MillraceError } from '../errors.ts'
import type { AppendAnswer, AppendOptions, Durability, Log, Waiter } from '../log/log.ts'
import { openShards, type Stream } from '../stream/stream.ts'
import { encodeError } from '../wire/frame.ts'
import { putBatch } from '../wire/operations.ts'
import { type PutHead, readPutBatchBody, readPutHead } from '../wire/put-frame.ts'
import { shardIdText } from '../wire/shard-id-text.ts'
import type { AckTimes } from './ack-times.ts'
import {
  type OnFailed,
  PendingBatch,
  PendingRecords,
  type PutTarget,
  type TakeAnswer,
  weaker,
} from './pending-puts.ts'
import { countRefused, type StreamCounters } from './stream-counters.ts'
import { streamNotFound } from './stream-errors.ts'

export interface PutsParts {
  readonly log: Log
  readonly counters: StreamCounters
  readonly acks: AckTimes
  /** Told when the log takes nothing any more. */
  readonly onFailed: OnFailed
  /** The most that acknowledgements promise; `disk` unless it is given. */
  readonly durabilityMax?: Durability | undefined
}

export class Puts {
  readonly #parts: PutsParts
  readonly #targets = new Map<string, PutTarget>()
  /** Why nothing is taken any more. */
  #refusal: MillraceError | undefined

  constructor(parts: PutsParts) {
    this.#parts = parts
  }

  /** Begins to route records to the open shards of a stream. */
  open(stream: Stream): void {
    const shards = openShards(stream)
    const routes = shards.map(({ number, endingHashKey }) => ({ shard: number, endingHashKey }))
    this.#parts.log.setRoutes(stream.number, routes)
    this.#targets.set(stream.name, {
      stream,
      counts: this.#parts.counters.of(stream.name),
      acks: this.#parts.acks,
      durabilityMax: this.#parts.durabilityMax ?? 'disk',
      routes: shards.map(({ index }) => ({ index, id: shardIdText(index) })),
    })
  }

  /** Nothing is put to the stream any more. */
  close(stream: Stream): void {
    this.#targets.delete(stream.name)
    this.#parts.counters.forget(stream.name)
    this.#parts.log.clearRoutes(stream.number)
  }

  /** Everything that comes is answered with this. */
  refuseAll(error: MillraceError): void {
    this.#refusal = error
  }

  /**
   * Carries out a put. `frame` is only read during the call. Throws a MillraceError,
   * PROTOCOL_VIOLATION, when there is nothing to be answered: the head cannot be read.
   */
  put(frame: Uint8Array, answer: TakeAnswer): void {
    const head = readPutHead(frame)
    const target = this.#targets.get(head.streamName)
    const refusal = this.#refusal ?? head.refusal
    if (refusal !== undefined || target === undefined) {
      const error = refusal ?? streamNotFound(head.streamName)
      const refused = target?.counts.appendRefused ?? this.#parts.counters.strayRefused
      countRefused(refused, error.code, 1)
      answer(encodeError(head.opcode, head.requestId, error))
      return
    }
    const begun = target.acks.begin()
    const request = { head, target, bytes: frame.length - head.bodyAt, begun, answer }
    if (head.opcode === putBatch.opcode) {
      this.#putBatch(frame, head, target, new PendingBatch(request, this.#parts.onFailed))
      return
    }
    const options = {
      start: head.bodyAt,
      durability: weaker(head.durability, target.durabilityMax),
      recordBytesMax: target.stream.recordBytesMax,
    }
    const waiter = new PendingRecords(request, this.#parts.onFailed)
    this.#parts.log.putRecordsThen(target.stream.number, frame, options, waiter)
  }

  #putBatch(
    frame: Uint8Array,
    head: PutHead,
    { stream, durabilityMax }: PutTarget,
    waiter: Waiter<AppendAnswer>,
  ): void {
    try {
      const body = readPutBatchBody(frame, head.bodyAt)
      const { shardIndex, count, codec, producerId, producerSequence } = body
      if (codec !== 0) {
        throw new MillraceError('INVALID_ARGUMENT', `codec is ${codec}, the only one is 0`)
      }
      const shard = stream.shards.get(shardIndex)
      if (shard === undefined) {
        throw new MillraceError(
          'SHARD_NOT_FOUND',
          `Could not find shard ${shardIdText(shardIndex)} in stream ${stream.name}.`,
        )
      }
      const options: AppendOptions = {
        durability: weaker(head.durability, durabilityMax),
        recordBytesMax: stream.recordBytesMax,
        producerId,
        producerSequence,
      }
      this.#parts.log.appendThen(shard.number, { bytes: body.records, count }, options, waiter)
    } catch (error) {
      waiter.failed(error)
    }
  }
}
