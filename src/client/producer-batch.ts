/** Records of a producer that travel in one request. */

import { hashKey } from '../wire/fields.ts'
import { MessageReader } from '../wire/message-bytes.ts'
import { type PutProducer, type PutRecordsBuilder, stampRequestId } from '../wire/put-builder.ts'
import type { PutAnswer, RecordInput } from '../wire/verbs.ts'

/** Who wants to know what becomes of one record. */
export interface AckWaiter {
  resolve(answer: PutAnswer): void
  reject(error: unknown): void
}

/** Who wants to know when all batches that there were at a time have ended. */
export interface FlushWaiter {
  batchesLeft: number
  done(): void
}

/** One batch less to wait for. */
export function countDown(flush: FlushWaiter): void {
  flush.batchesLeft -= 1
  if (flush.batchesLeft === 0) flush.done()
}

export class ProducerBatch {
  readonly #builder: PutRecordsBuilder
  /** Of the records, in their order: the bucket of the key, and the bytes held. */
  readonly buckets: number[] = []
  readonly #heldBytes: number[] = []
  /** The number of each record among all that the producer took. */
  readonly ordinals: number[] = []
  readonly acks = new Map<number, AckWaiter>()
  readonly #flushes = new Set<FlushWaiter>()
  heldBytes = 0
  /** Takes no more records. */
  sealed = false
  /** When it may be sent, on the producer's clock. */
  dueAt: number
  /** How often in a row it has been refused for the time being, and nothing of it went through. */
  attempt = 0
  /** When it, or what it was made from, was sent first. */
  firstSentAt: number | undefined
  /** The name under which the broker knows a repeat. */
  producer: PutProducer | undefined
  #frame: Uint8Array<ArrayBuffer> | undefined
  #records: RecordInput[] | undefined

  constructor(builder: PutRecordsBuilder, dueAt: number) {
    this.#builder = builder
    this.dueAt = dueAt
  }

  get count(): number {
    return this.buckets.length
  }

  /** Bytes of the records in the frame. */
  get size(): number {
    return this.#builder.size
  }

  /** Adds a record. Throws a TypeError or a RangeError, and has then added nothing. */
  add(record: RecordInput, bucket: number, heldBytes: number, ordinal: number): void {
    this.#builder.add(record.key, record.data, record.explicitHashKey)
    this.buckets.push(bucket)
    this.#heldBytes.push(heldBytes)
    this.ordinals.push(ordinal)
    this.heldBytes += heldBytes
  }

  /** Tells `flush` when the batch, and what may be made from it, has ended. */
  inform(flush: FlushWaiter): void {
    if (this.#flushes.has(flush)) return
    flush.batchesLeft += 1
    this.#flushes.add(flush)
  }

  /** The frame: made at the first call, and the very same one under another id at later ones. */
  frame(requestId: number): Uint8Array {
    if (this.#frame === undefined) this.#frame = this.#builder.finish(requestId, this.producer)
    else stampRequestId(this.#frame, requestId)
    return this.#frame
  }

  /** The records, out of the frame; after this it takes no more. */
  records(): readonly RecordInput[] {
    this.#frame ??= this.#builder.finish(0, this.producer)
    this.#records ??= readRecords(this.#frame, this.#builder.start, this.count)
    return this.#records
  }

  /** Takes over a record of another batch, with those who want to know what becomes of it. */
  takeOver(from: ProducerBatch, index: number, record: RecordInput): void {
    const [bucket, heldBytes] = [from.buckets[index] as number, from.heldBytesOf(index)]
    this.add(record, bucket, heldBytes, from.ordinals[index] as number)
    const ack = from.acks.get(index)
    if (ack !== undefined) this.acks.set(this.count - 1, ack)
    for (const flush of from.#flushes) this.inform(flush)
  }

  /** A batch of some of its records, which are there in `records`, in place of this one. */
  derive(
    builder: PutRecordsBuilder,
    records: readonly RecordInput[],
    indexes: readonly number[],
  ): ProducerBatch {
    const batch = new ProducerBatch(builder, this.dueAt)
    for (const index of indexes) batch.takeOver(this, index, records[index] as RecordInput)
    batch.sealed = true
    batch.attempt = this.attempt
    batch.firstSentAt = this.firstSentAt
    return batch
  }

  heldBytesOf(index: number): number {
    return this.#heldBytes[index] as number
  }

  /** Ends the batch; its builder, with its memory, is free for another one. */
  end(): PutRecordsBuilder {
    for (const flush of this.#flushes) countDown(flush)
    if (this.#frame === undefined) this.#builder.clear()
    else this.#builder.recycle(this.#frame)
    return this.#builder
  }
}

const decoder = new TextDecoder('utf-8', { ignoreBOM: true })

function takeKey(frame: Uint8Array, reader: MessageReader): string {
  const bytes = reader.takeStrHeader('a key')
  const key = decoder.decode(frame.subarray(reader.at, reader.at + bytes))
  reader.at += bytes
  return key
}

/** The records of a frame, of which the first begins at `at`; their data are copies. */
function readRecords(frame: Uint8Array, at: number, count: number): RecordInput[] {
  const reader = new MessageReader(frame, at)
  const records: { key: string | undefined; data: Uint8Array; explicitHashKey?: bigint }[] = []
  while (records.length < count) {
    reader.takeArrayHeader('a record')
    const key = reader.takeNil() ? undefined : takeKey(frame, reader)
    records.push({ key, data: reader.takeBin('data').slice() })
  }
  if (reader.takeNil()) return records
  reader.takeArrayHeader('explicit hash keys')
  for (const record of records) {
    if (reader.takeNil()) continue
    record.explicitHashKey = hashKey.parse(reader.takeBin('a hash key'), 'explicitHashKey')
  }
  return records
}
