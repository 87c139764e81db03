/**
 * The puts: from a frame as it was received to the frame that answers it. One native call per
 * frame; no record is looked at here. This runs for every put, so it makes few objects.
 */

import { MillraceError } from '../errors.ts'
import { shardBurstBytes, shardBytesPerSecond, shardRecordsPerSecond } from '../limits.ts'
import type { AppendOptions, Durability, Log, Route, ThroughputLimits } from '../log/log.ts'
import type { Shard } from '../shard/shard.ts'
import { routedShards, type Stream, shardsInLog } from '../stream/stream.ts'
import { encodeError } from '../wire/frame.ts'
import { operationsByOpcode, putBatch } from '../wire/operations.ts'
import { type PutHead, readPutBatchBody, readPutHead } from '../wire/put-frame.ts'
import { shardIdText } from '../wire/shard-id-text.ts'
import type { AckTimes } from './ack-times.ts'
import { anyone, type Caller, denial } from './caller.ts'
import type { Keyring } from './keyring.ts'
import { putRight } from './operation-rights.ts'
import {
  answerFailure,
  type OnFailed,
  PendingBatch,
  PendingRecords,
  type PutRequest,
  type PutTarget,
  type TakeAnswer,
  weaker,
} from './pending-puts.ts'
import { countRefused, type StreamCounters } from './stream-counters.ts'
import { streamNotFound } from './stream-errors.ts'

const kinesisLimits: ThroughputLimits = {
  recordsPerSecond: shardRecordsPerSecond,
  bytesPerSecond: shardBytesPerSecond,
  bytesBurst: shardBurstBytes,
}

export interface PutsOptions {
  readonly log: Log
  readonly counters: StreamCounters
  readonly acks: AckTimes
  /** Told when the log takes nothing any more. */
  readonly onFailed: OnFailed
  /** The most that acknowledgements promise; `disk` unless it is given. */
  readonly durabilityMax?: Durability | undefined
  /** Of each shard of a stream in PROVISIONED mode; those of Kinesis unless they are given. */
  readonly shardLimits?: ThroughputLimits | undefined
  /** What limits are measured by, in milliseconds of a clock that never goes back. */
  readonly elapsed: () => number
  /** Whether the key of a stream is there. */
  readonly keys?: Pick<Keyring, 'refusal'> | undefined
}

function routeTo({ number, endingHashKey }: Shard): Route {
  return { shard: number, endingHashKey }
}

export class Puts {
  readonly #options: PutsOptions
  readonly #log: Log
  readonly #targets = new Map<string, PutTarget>()
  /** Why nothing is taken any more. */
  #refusal: MillraceError | undefined

  constructor(options: PutsOptions) {
    this.#options = options
    this.#log = options.log
  }

  /**
   * Begins to route records to the shards of a stream. `previous` are those that they went to
   * before its last reshards, newest first, each in the order of their ranges: repeats of what they
   * have taken are answered, and not written again.
   */
  open(stream: Stream, previous: readonly (readonly Shard[])[] = []): void {
    this.#encrypt(stream)
    const shards = routedShards(stream)
    const isLimited = stream.mode === 'PROVISIONED'
    this.#log.setRoutes(stream.number, shards.map(routeTo), {
      previous: previous.map((map) => map.map(routeTo)),
      limits: isLimited ? (this.#options.shardLimits ?? kinesisLimits) : undefined,
    })
    this.#targets.set(stream.name, {
      stream,
      counts: this.#options.counters.of(stream.name),
      acks: this.#options.acks,
      durabilityMax: this.#options.durabilityMax ?? 'disk',
      isLimited,
      shards: new Map(shards.map((shard, place) => [shard.index, { shard, place }])),
      routes: [shards, ...previous].flat().map(({ index }) => ({ index, id: shardIdText(index) })),
    })
  }

  /** Before anything is routed: also what is only asked for repeats must take nothing else. */
  #encrypt(stream: Stream): void {
    const before = this.#targets.get(stream.name)?.stream.encryption
    if (stream.encryption === undefined && before === undefined) return
    const numbers = shardsInLog(stream).map((it) => it.number)
    this.#log.setEncryption(numbers, stream.encryption)
  }

  /** Nothing is put to the stream any more. */
  close(stream: Stream): void {
    this.#targets.delete(stream.name)
    this.#options.counters.forget(stream.name)
    this.#log.clearRoutes(stream.number)
  }

  /** Everything that comes is answered with this. */
  refuseAll(error: MillraceError): void {
    this.#refusal = error
  }

  /**
   * Carries out a put. `frame` is only read during the call. Throws a MillraceError,
   * PROTOCOL_VIOLATION, when there is nothing to be answered: the head cannot be read.
   */
  put(frame: Uint8Array, answer: TakeAnswer, caller: Caller = anyone): void {
    const head = readPutHead(frame)
    const target = this.#targets.get(head.streamName)
    const refusal =
      this.#refusal ?? head.refusal ?? putDenial(caller, head) ?? this.#keyRefusal(target?.stream)
    if (refusal !== undefined || target === undefined) {
      const error = refusal ?? streamNotFound(head.streamName)
      const refused = target?.counts.appendRefused ?? this.#options.counters.strayRefused
      countRefused(refused, error.code, 1)
      answer(encodeError(head.opcode, head.requestId, error))
      return
    }
    const begun = target.acks.begin()
    const request = { head, target, bytes: frame.length - head.bodyAt, begun, answer }
    if (head.opcode === putBatch.opcode) {
      this.#putBatch(frame, request)
      return
    }
    const options = {
      start: head.bodyAt,
      durability: weaker(head.durability, target.durabilityMax),
      recordBytesMax: target.stream.recordBytesMax,
      keysRequired: target.isLimited,
      nowMillis: this.#nowMillis(target),
    }
    const waiter = new PendingRecords(request, this.#options.onFailed)
    this.#log.putRecordsThen(target.stream.number, frame, options, waiter)
  }

  #keyRefusal(stream: Stream | undefined): MillraceError | undefined {
    if (stream?.encryption === undefined) return undefined
    return this.#options.keys?.refusal(stream.name, stream.encryption)
  }

  #putBatch(frame: Uint8Array, request: PutRequest): void {
    const { head, target } = request
    const { stream } = target
    try {
      const body = readPutBatchBody(frame, head.bodyAt)
      const { shardIndex, count, codec, producerId, producerSequence } = body
      if (codec !== 0) {
        throw new MillraceError('INVALID_ARGUMENT', `codec is ${codec}, the only one is 0`)
      }
      const { shard, place } = shardOfBatch(target, shardIndex, producerId)
      const options: AppendOptions = {
        durability: weaker(head.durability, target.durabilityMax),
        recordBytesMax: stream.recordBytesMax,
        keysRequired: target.isLimited,
        producerId,
        producerSequence,
        repeatsOnly: place === undefined,
        meter: place === undefined ? undefined : { routes: stream.number, route: place },
        nowMillis: this.#nowMillis(target),
      }
      const waiter = new PendingBatch(request, shardIndex, this.#options.onFailed)
      this.#log.appendThen(shard.number, { bytes: body.records, count }, options, waiter)
    } catch (error) {
      answerFailure(request, error, this.#options.onFailed)
    }
  }

  #nowMillis({ isLimited }: PutTarget): number | undefined {
    return isLimited ? this.#options.elapsed() : undefined
  }
}

/** Before it is known whether there is such a stream: a denial must not tell. */
function putDenial(caller: Caller, { opcode, streamName }: PutHead): MillraceError | undefined {
  if (caller === anyone || (caller.rightsOn(streamName) & putRight) !== 0) return undefined
  return denial(caller, putRight, operationsByOpcode.get(opcode)?.name ?? '', streamName)
}

/**
 * The shard to which a batch goes, with its place among the routes. One that is being closed has
 * none any more, and is asked for repeats alone: what is new belongs behind what its children have
 * by now. Throws a MillraceError: SHARD_NOT_FOUND, SHARD_CLOSED.
 */
function shardOfBatch(
  { stream, shards }: PutTarget,
  index: number,
  producerId: bigint,
): { readonly shard: Shard; readonly place?: number } {
  const routed = shards.get(index)
  if (routed !== undefined) return routed
  const shard = stream.shards.get(index)
  const id = shardIdText(index)
  if (shard === undefined) {
    throw new MillraceError(
      'SHARD_NOT_FOUND',
      `Could not find shard ${id} in stream ${stream.name}.`,
    )
  }
  if (producerId !== 0n) return { shard }
  throw new MillraceError(
    'SHARD_CLOSED',
    `Shard ${id} in stream ${stream.name} is closed; list the shards to see which replaced it.`,
  )
}
