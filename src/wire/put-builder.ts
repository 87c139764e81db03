/** The frames of the put operations as clients write them. */

import { InvalidTypeError } from '../errors.ts'
import { hashKey } from './fields.ts'
import { allocateFrame } from './frame-memory.ts'
import {
  headerBytesMax,
  messageTypes,
  uint32Bytes,
  uint64Bytes,
  writeArray16,
  writeArrayHeader,
  writeAscii,
  writeBinHeader,
  writeUint,
  writeUint32,
  writeUint64,
} from './message-bytes.ts'
import { type Durability, putBatch, putRecord, putRecords, streamName } from './operations.ts'
import { RecordWriter } from './record-writer.ts'

/** Array header and opcode stand before the request id, which has a fixed width. */
const requestIdAt = 2
const explicitHashKeyBytes = 2 + 16
const array16Bytes = 3

/** Which stream, and what the acknowledgement shall mean: `disk` unless it is given. */
export interface PutTarget {
  readonly streamName: string
  readonly durability?: Durability | undefined
}

/** Who an idempotent put comes from; `producerSequence` goes up by one with each request. */
export interface PutProducer {
  readonly producerId: bigint
  readonly producerSequence: number
}

export interface RecordToPut {
  /** The partition key: 1 to 256 characters; it can be missing where the mode is ON_DEMAND. */
  readonly key?: string | undefined
  readonly data: Uint8Array
  /** Routes the record instead of the hash of its key: 0 to 2^128-1. It is not stored. */
  readonly explicitHashKey?: bigint | undefined
}

/** Gives a frame of a put another request id, in place: for sending it again. */
export function stampRequestId(frame: Uint8Array, requestId: number): void {
  writeUint32(frame, requestIdAt, requestId)
}

function encodeHead(count: number, opcode: number, target: PutTarget): Uint8Array {
  const name = streamName.parse(target.streamName, 'streamName')
  const head = new Uint8Array(requestIdAt + uint32Bytes + name.length + 2 * headerBytesMax)
  head[0] = messageTypes.fixArray | count
  head[1] = opcode
  let at = writeUint32(head, requestIdAt, 0)
  at = writeAscii(head, at, name)
  if (target.durability === undefined) {
    head[at] = messageTypes.nil
    at += 1
  } else {
    at = writeAscii(head, at, target.durability)
  }
  return head.subarray(0, at)
}

/**
 * Builds frames of PutRecords, one after the other, for a producer. Records are written once, where
 * the frame has them.
 *
 * ```ts
 * const builder = new PutRecordsBuilder({ streamName: 'orders' })
 * builder.add('customer-7', data)
 * socket.send(builder.finish(requestId))
 * ```
 */
export class PutRecordsBuilder extends RecordWriter {
  readonly #head: Uint8Array
  #explicitHashKeys: (bigint | undefined)[] | undefined

  constructor(target: PutTarget, bytes?: number) {
    const head = encodeHead(8, putRecords.opcode, target)
    super(head.length + array16Bytes, bytes)
    this.#head = head
  }

  /** As RecordWriter.add. Throws a RangeError, too, for a hash key that is out of its bounds. */
  override add(partitionKey: string | undefined, data: Uint8Array, explicitHashKey?: bigint): void {
    if (explicitHashKey !== undefined) checkHashKey(explicitHashKey)
    super.add(partitionKey, data)
    if (explicitHashKey !== undefined) {
      this.#explicitHashKeys ??= new Array(this.count - 1).fill(undefined)
    }
    this.#explicitHashKeys?.push(explicitHashKey)
  }

  override clear(bytesKept?: number): void {
    super.clear(bytesKept)
    this.#explicitHashKeys = undefined
  }

  /**
   * The frame with all records that were added; the builder begins anew. The memory is the
   * caller's, who may hand it back with `recycle`.
   */
  finish(requestId: number, producer?: PutProducer): Uint8Array<ArrayBuffer> {
    const keys = this.#explicitHashKeys
    this.reserve(
      array16Bytes + (keys?.length ?? 0) * explicitHashKeyBytes + uint64Bytes + uint32Bytes,
    )
    const memory = this.memory
    memory.set(this.#head, 0)
    writeArray16(memory, this.#head.length, this.count)
    stampRequestId(memory, requestId)
    let at = keys === undefined ? writeNil(memory, this.end) : writeHashKeys(memory, this.end, keys)
    at = writeProducer(memory, at, producer)
    this.replaceMemory()
    return memory.subarray(0, at)
  }

  /** Takes the memory of a frame that is not needed any more for the frame that is being begun. */
  recycle(frame: Uint8Array<ArrayBuffer>): void {
    const { buffer } = frame
    if (this.count === 0 && buffer.byteLength > this.memory.length) {
      this.replaceMemory(new Uint8Array(buffer))
    }
  }
}

function checkHashKey(value: bigint): void {
  if (typeof value !== 'bigint') {
    throw new InvalidTypeError(`explicit hash key: wanted a bigint, got ${typeof value}`)
  }
  hashKey.pack(value)
}

function writeNil(memory: Uint8Array, at: number): number {
  memory[at] = messageTypes.nil
  return at + 1
}

function writeProducer(memory: Uint8Array, at: number, producer: PutProducer | undefined): number {
  const next = writeUint64(memory, at, producer?.producerId ?? 0n)
  return writeUint32(memory, next, producer?.producerSequence ?? 0)
}

function writeHashKeys(
  memory: Uint8Array,
  start: number,
  keys: readonly (bigint | undefined)[],
): number {
  let at = writeArrayHeader(memory, start, keys.length)
  for (const key of keys) {
    if (key === undefined) {
      at = writeNil(memory, at)
    } else {
      const bytes = hashKey.pack(key) as Uint8Array
      at = writeBinHeader(memory, at, bytes.length)
      memory.set(bytes, at)
      at += bytes.length
    }
  }
  return at
}

const single = new RecordWriter(0)
const singleBytesKept = 64 * 1024
const tailBytesMax = 1 + explicitHashKeyBytes + uint64Bytes + uint32Bytes
let lastTarget: { readonly target: PutTarget; readonly head: Uint8Array } | undefined

/** The head of a PutRecord; that of the last one serves again while the target stays the same. */
function singleHead({ streamName: name, durability }: PutTarget): Uint8Array {
  const last = lastTarget
  if (last?.target.streamName === name && last.target.durability === durability) return last.head
  const target = { streamName: name, durability }
  const head = encodeHead(8, putRecord.opcode, target)
  lastTarget = { target, head }
  return head
}

/** A frame of PutRecord. Throws as PutRecordsBuilder. */
export function encodePutRecord(
  requestId: number,
  target: PutTarget,
  { key, data, explicitHashKey }: RecordToPut,
  producer?: PutProducer,
): Uint8Array<ArrayBuffer> {
  if (explicitHashKey !== undefined) checkHashKey(explicitHashKey)
  const head = singleHead(target)
  single.clear(singleBytesKept)
  single.add(key, data)
  const memory = allocateFrame(head.length + 1 + single.size + tailBytesMax)
  memory.set(head, 0)
  stampRequestId(memory, requestId)
  let at = writeArrayHeader(memory, head.length, 1)
  memory.set(single.memory.subarray(0, single.size), at)
  at += single.size
  at =
    explicitHashKey === undefined
      ? writeNil(memory, at)
      : writeHashKeys(memory, at, [explicitHashKey])
  return memory.subarray(0, writeProducer(memory, at, producer))
}

/** A frame of PutRecords. Throws as PutRecordsBuilder. */
export function encodePutRecords(
  requestId: number,
  target: PutTarget,
  records: readonly RecordToPut[],
  producer?: PutProducer,
): Uint8Array<ArrayBuffer> {
  const builder = new PutRecordsBuilder(target)
  for (const { key, data, explicitHashKey } of records) {
    builder.add(key, data, explicitHashKey)
  }
  return builder.finish(requestId, producer)
}

/** Records that are packed for one shard already, by a BatchBuilder or compressed. */
export interface BatchToPut {
  /** Of the shard within its stream. */
  readonly shardIndex: number
  readonly count: number
  /** How `records` are compressed; 0, or left out = not at all. */
  readonly codec?: number
  readonly records: Uint8Array
}

/** A frame of PutBatch. */
export function encodePutBatch(
  requestId: number,
  target: PutTarget,
  { shardIndex, count, codec = 0, records }: BatchToPut,
  producer?: PutProducer,
): Uint8Array<ArrayBuffer> {
  const head = encodeHead(10, putBatch.opcode, target)
  const numbersBytesMax = 4 * uint32Bytes + uint64Bytes + headerBytesMax
  const memory = new Uint8Array(head.length + numbersBytesMax + records.length)
  memory.set(head, 0)
  stampRequestId(memory, requestId)
  let at = writeUint(memory, head.length, shardIndex)
  at = writeUint(memory, at, count)
  at = writeUint(memory, at, codec)
  at = writeProducer(memory, at, producer)
  at = writeBinHeader(memory, at, records.length)
  memory.set(records, at)
  return memory.subarray(0, at + records.length)
}
