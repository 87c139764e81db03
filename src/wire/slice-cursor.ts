/**
 * Reads the records of a slice without decoding what nobody asks for. The form of each batch is
 * checked here; checksums are on request, as slices of the log have been checked there.
 */

import { MillraceError } from '../errors.ts'
import { checkBytes } from './arguments.ts'
import { batchLayout } from './batch-layout.ts'
import { crc32c, maskCrc } from './crc32c.ts'
import { keyText } from './key-text.ts'
import { messageTypes } from './message-bytes.ts'
import type { SequenceNumber, ShardId } from './numbers.ts'

const {
  marker,
  crcAt,
  checksummedStart,
  shardAt,
  firstSequenceAt,
  countAt,
  arrivalAt,
  epochAt,
  producerIdAt,
  producerSequenceAt,
  syncedUptoAt,
  flagsAt,
  recordsLengthAt,
  headerBytes,
  codecMask,
} = batchLayout

/** One record; its parts are decoded when they are asked for. Valid while the slice's bytes are. */
export class RecordView {
  readonly #bytes: Uint8Array
  readonly #keyAt: number
  readonly #dataAt: number
  readonly #end: number
  readonly #firstSequence: bigint
  readonly #ordinal: number
  readonly #keyBytes: number
  /** When its batch arrived, in ms since 1970. */
  readonly arrivalMillis: number

  constructor(cursor: SliceCursor) {
    this.#bytes = cursor.bytes
    this.#keyAt = cursor.keyAt
    this.#keyBytes = cursor.keyBytes
    this.#dataAt = cursor.dataAt
    this.#end = cursor.end
    this.#firstSequence = cursor.firstSequenceNumber
    this.#ordinal = cursor.ordinal
    this.arrivalMillis = cursor.arrivalMillis
  }

  get sequenceNumber(): SequenceNumber {
    return (this.#firstSequence + BigInt(this.#ordinal)) as SequenceNumber
  }

  /** Undefined where the record has none. */
  get partitionKey(): string | undefined {
    return this.#keyBytes === 0 ? undefined : keyText(this.#bytes, this.#keyAt, this.#keyBytes)
  }

  /** A view into the slice, not a copy. */
  get data(): Uint8Array {
    return this.#bytes.subarray(this.#dataAt, this.#end)
  }
}

export interface SliceOptions {
  /**
   * Whether to compare each batch with its checksum when its records are gone through, which costs
   * about a nanosecond per byte; false unless it is given. A wrong one throws LOG_CORRUPT there.
   */
  readonly verify?: boolean | undefined
}

/**
 * Goes through the records of a slice. Either step by step, which makes no object per record, or as
 * an iterable of RecordViews:
 *
 * ```ts
 * const cursor = new SliceCursor(slice.bytes)
 * while (cursor.next()) consume(cursor.partitionKey, cursor.data)
 * for (const record of new SliceCursor(slice.bytes)) consume(record.partitionKey, record.data)
 * ```
 *
 * Throws a MillraceError: PROTOCOL_VIOLATION for bytes that are no slice, LOG_CORRUPT for a batch
 * whose checksum is wrong.
 */
export class SliceCursor implements Iterable<RecordView> {
  /** The slice. */
  readonly bytes: Uint8Array
  readonly #fields: DataView
  readonly #verify: boolean
  #batchAt = 0
  #batchEnd = 0
  #left = 0
  /** Of the current batch. */
  firstSequenceNumber: SequenceNumber = 0n as SequenceNumber
  arrivalMillis = 0
  /** Of the current record: its number within the batch, and where its parts are in `bytes`. */
  ordinal = -1
  keyAt = 0
  keyBytes = 0
  dataAt = 0
  end = 0

  constructor(bytes: Uint8Array, { verify = false }: SliceOptions = {}) {
    checkBytes('slice', bytes)
    this.bytes = bytes
    this.#verify = verify
    this.#fields = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  }

  /** Moves to the next record; false behind the last. */
  next(): boolean {
    while (this.#left === 0) {
      this.#checkEnd()
      if (this.#batchEnd === this.bytes.length) return false
      this.#openBatch()
    }
    this.#left -= 1
    this.ordinal += 1
    this.#readRecord(this.end)
    return true
  }

  /**
   * Passes over the records before this sequence number, over whole batches by their headers alone;
   * `next` then moves to the first of the others. Only ever forward.
   */
  skipTo(sequenceNumber: bigint): void {
    for (;;) {
      const left = BigInt(this.#left)
      const following = this.firstSequenceNumber + BigInt(this.ordinal + 1)
      if (left > 0n && following + left > sequenceNumber) {
        for (let skip = Number(sequenceNumber - following); skip > 0; skip -= 1) this.next()
        return
      }
      if (left > 0n) {
        this.#left = 0
        this.end = this.#batchEnd
      }
      if (this.#batchEnd === this.bytes.length) return
      this.#checkEnd()
      this.#openBatch()
    }
  }

  /** The current record, as it stays when the cursor moves on. */
  view(): RecordView {
    return new RecordView(this)
  }

  get shard(): ShardId {
    return this.#fields.getBigUint64(this.#batchAt + shardAt) as ShardId
  }

  get sequenceNumber(): SequenceNumber {
    return (this.firstSequenceNumber + BigInt(this.ordinal)) as SequenceNumber
  }

  /** Undefined where the record has none. */
  get partitionKey(): string | undefined {
    return this.keyBytes === 0 ? undefined : keyText(this.bytes, this.keyAt, this.keyBytes)
  }

  /** A view into the slice, not a copy. */
  get data(): Uint8Array {
    return this.bytes.subarray(this.dataAt, this.end)
  }

  *[Symbol.iterator](): Iterator<RecordView> {
    while (this.next()) yield this.view()
  }

  #checkEnd(): void {
    if (this.end !== this.#batchEnd) this.#refuse('the records end before their batch does')
  }

  #openBatch(): void {
    const at = this.#batchEnd
    const fields = this.#fields
    if (!isBatchHeader(this.bytes, at)) this.#refuse('wanted a batch')
    if ((fields.getUint32(at + flagsAt) & codecMask) !== batchLayout.codecNone) {
      this.#refuse('the records are compressed; decompress them first')
    }
    this.#batchAt = at
    this.#left = fields.getUint32(at + countAt)
    this.firstSequenceNumber = fields.getBigUint64(at + firstSequenceAt) as SequenceNumber
    this.arrivalMillis =
      fields.getUint32(at + arrivalAt) * 2 ** 32 + fields.getUint32(at + arrivalAt + 4)
    this.ordinal = -1
    this.end = at + headerBytes
    this.#batchEnd = this.end + fields.getUint32(at + recordsLengthAt)
    if (this.#batchEnd > this.bytes.length) this.#refuse('the batch is cut short')
    if (this.#verify) this.#checkSum()
    // What a marker batch holds is padding, zeros.
    if (this.#left === 0 && this.bytes[this.end] === 0) this.end = this.#batchEnd
  }

  #checkSum(): void {
    const at = this.#batchAt
    const sum = maskCrc(crc32c(this.bytes, at + checksummedStart, this.#batchEnd))
    if (sum === this.#fields.getUint32(at + crcAt)) return
    const text = `the checksum of the batch from sequence number ${this.firstSequenceNumber} on`
    throw new MillraceError('LOG_CORRUPT', `slice, byte ${at}: ${text} is wrong`)
  }

  /** The usual encodings at once, any other in the slow way. */
  #readRecord(start: number): void {
    const bytes = this.bytes
    const head = bytes[start + 1] as number
    const keyBytes = head & 0x1f
    const bin = start + 2 + keyBytes
    if (bytes[start] === 0x92 && (head & 0xe0) === 0xa0 && bytes[bin] === 0xc4) {
      this.keyAt = start + 2
      this.keyBytes = keyBytes
      this.dataAt = bin + 2
      this.end = bin + 2 + (bytes[bin + 1] as number)
    } else {
      this.#readAnyRecord(start)
    }
    if (!(this.end <= this.#batchEnd)) this.#refuse('a record runs past its batch')
  }

  #readAnyRecord(start: number): void {
    const array = this.bytes[start] as number
    const arrayBytes = array === 0x92 ? 1 : array === 0xdc ? 3 : array === 0xdd ? 5 : 0
    if (arrayBytes === 0 || (arrayBytes > 1 && this.#length(start + 1, arrayBytes - 1) !== 2)) {
      this.#refuse('wanted an array of a key and data')
    }
    let at = start + arrayBytes
    const str = this.bytes[at] as number
    if (str === messageTypes.nil) {
      this.keyBytes = 0
      at += 1
    } else if ((str & 0xe0) === 0xa0) {
      this.keyBytes = str & 0x1f
      at += 1
    } else {
      if (str < 0xd9 || str > 0xdb) this.#refuse('wanted a str or nil')
      const width = 1 << (str - 0xd9)
      this.keyBytes = this.#length(at + 1, width)
      at += 1 + width
    }
    this.keyAt = at
    at += this.keyBytes
    const bin = this.bytes[at] as number
    if (!(bin >= 0xc4 && bin <= 0xc6)) this.#refuse('wanted a bin')
    const width = 1 << (bin - 0xc4)
    this.dataAt = at + 1 + width
    this.end = this.dataAt + this.#length(at + 1, width)
  }

  #length(at: number, width: number): number {
    if (at + width > this.#batchEnd) this.#refuse('a record runs past its batch')
    if (width === 1) return this.#fields.getUint8(at)
    return width === 2 ? this.#fields.getUint16(at) : this.#fields.getUint32(at)
  }

  #refuse(what: string): never {
    throw new MillraceError('PROTOCOL_VIOLATION', `slice, near byte ${this.end}: ${what}`)
  }
}

/** Whether a whole header is there: marker, and the type byte that stands before each field. */
export function isBatchHeader(bytes: Uint8Array, at: number): boolean {
  const { uint32, uint64, bin32 } = messageTypes
  return (
    bytes.length - at >= headerBytes &&
    bytes[at] === marker &&
    bytes[at + crcAt - 1] === uint32 &&
    bytes[at + shardAt - 1] === uint64 &&
    bytes[at + firstSequenceAt - 1] === uint64 &&
    bytes[at + countAt - 1] === uint32 &&
    bytes[at + arrivalAt - 1] === uint64 &&
    bytes[at + epochAt - 1] === uint32 &&
    bytes[at + producerIdAt - 1] === uint64 &&
    bytes[at + producerSequenceAt - 1] === uint32 &&
    bytes[at + syncedUptoAt - 1] === uint64 &&
    bytes[at + flagsAt - 1] === uint32 &&
    bytes[at + recordsLengthAt - 1] === bin32
  )
}
