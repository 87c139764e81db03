/**
 * The quick calls of a native handle with their requests and answers in its shared block. Knows
 * which field is where; decides nothing.
 */

import type { ErrorCode } from '../errors.ts'
import { constants, type NativeLogHandle } from './binding.ts'
import type {
  AppendAnswer,
  AppendOptions,
  Durability,
  Position,
  PutPart,
  PutRecordsAnswer,
  PutRecordsOptions,
  SequenceNumber,
  Slice,
} from './log.ts'
import { type SliceMemory, SlicePool } from './slice-pool.ts'

const {
  slot: slotAt,
  start: startAt,
  end: endAt,
  count: countAt,
  flags: flagsAt,
  durability: durabilityAt,
  epoch: epochAt,
  producerSequence: producerSequenceAt,
  producerId: producerIdAt,
  expectedSequence: expectedSequenceAt,
  place: placeAt,
  bytesMax: bytesMaxAt,
  keysRequired: keysRequiredAt,
  recordBytesMax: recordBytesMaxAt,
  usesReserve: usesReserveAt,
  isMetered: isMeteredAt,
  route: routeAt,
  repeatsOnly: repeatsOnlyAt,
  nowMillis: nowMillisAt,
  routes: routesAt,
  answerFlags: answerFlagsAt,
  bytes: bytesAt,
  firstSequence: firstSequenceAt,
  nextSequence: nextSequenceAt,
  position: positionAt,
  nextPosition: nextPositionAt,
  batchCount: batchCountAt,
  recordCount: recordCountAt,
  viewOffset: viewOffsetAt,
  rowCount: rowCountAt,
  failedCount: failedCountAt,
  moved: movedAt,
  retryMillis: retryMillisAt,
  answerDuplicate,
  answerCommitted,
  answerDurabilityOs,
  answerThrottled,
} = constants.block
const {
  endPosition: rowEndPosition,
  firstSequence: rowFirstSequence,
  slot: rowSlot,
  count: rowRecords,
  code: rowCode,
  answerFlags: rowFlags,
  route: rowRoute,
  retryMillis: rowRetryMillis,
} = constants.row
const putAnswerAt = constants.block.putAnswer
/** In 32-bit words. */
const firstRowAt = constants.block.rows / 4
const rowWords = constants.row.bytes / 4
const { disk, os } = constants.durabilities
/** A slice never leaves its segment. */
const segmentBytesMax = constants.segment.bytesMax
const throughputExceeded = constants.errorCodes.indexOf('THROUGHPUT_EXCEEDED')

/** A shard's part of a PutRecords request that was appended and waits for its acknowledgement. */
export interface WaitingPart {
  readonly slot: number
  readonly endPosition: bigint
  /** Committed already: it waits for the answers of earlier appends alone. */
  readonly committed: boolean
}

const noParts: readonly WaitingPart[] = []

/** Its bytes are those of the block: they change with the next call. */
class LentPutAnswer implements PutRecordsAnswer {
  readonly failedCount: number
  readonly durability: Durability
  readonly parts: readonly PutPart[]
  readonly #block: Uint8Array
  readonly #size: number

  constructor(block: Uint8Array, size: number, fields: Omit<PutRecordsAnswer, 'bytes'>) {
    this.failedCount = fields.failedCount
    this.durability = fields.durability
    this.parts = fields.parts
    this.#block = block
    this.#size = size
  }

  /** A view costs more than the rest: who puts single records needs none. */
  get bytes(): Uint8Array {
    return this.#block.subarray(putAnswerAt, putAnswerAt + this.#size)
  }
}

export class NativeCalls {
  readonly handle: NativeLogHandle
  readonly #u32: Uint32Array
  readonly #u64: BigUint64Array
  readonly #bytes: Uint8Array
  readonly #pool = new SlicePool()
  readonly #moved: () => void

  /** `moved` is told when an append has moved committed positions before it returned. */
  constructor(handle: NativeLogHandle, moved: () => void) {
    this.handle = handle
    this.#moved = moved
    const { block } = handle
    this.#u32 = new Uint32Array(block, 0, Math.floor(block.byteLength / 4))
    this.#u64 = new BigUint64Array(block, 0, Math.floor(block.byteLength / 8))
    this.#bytes = new Uint8Array(block)
  }

  /** The hot path: no option, no object. The answer stays in the block until the next call. */
  append(
    slot: number,
    bytes: Uint8Array,
    start: number,
    end: number,
    count: number,
    durability: Durability,
  ): void {
    const u32 = this.#u32
    u32[slotAt] = slot
    u32[startAt] = start
    u32[endAt] = end
    u32[countAt] = count
    u32[durabilityAt] = durability === 'os' ? os : disk
    try {
      this.handle.append(bytes)
    } finally {
      this.#tellMoved()
    }
  }

  #tellMoved(): void {
    if (this.#u32[movedAt] === 0) return
    this.#u32[movedAt] = 0
    this.#moved()
  }

  /** Sets what `append` leaves at its defaults; `resetAppendOptions` has to follow. */
  setAppendOptions(options: AppendOptions, codec: number): void {
    this.#u32[flagsAt] = codec
    this.#u32[epochAt] = options.epoch ?? 0
    this.#u32[producerSequenceAt] = options.producerSequence ?? 0
    this.#u32[recordBytesMaxAt] = options.recordBytesMax ?? 0
    this.#u32[keysRequiredAt] = options.keysRequired === true ? 1 : 0
    this.#u32[usesReserveAt] = options.usesReserve === true ? 1 : 0
    this.#u32[repeatsOnlyAt] = options.repeatsOnly === true ? 1 : 0
    this.#u64[producerIdAt] = options.producerId ?? 0n
    this.#u64[expectedSequenceAt] = options.expectedSequenceNumber ?? 0n
    const { meter } = options
    if (meter === undefined) return
    this.#u32[isMeteredAt] = 1
    this.#u32[routesAt] = meter.routes
    this.#u32[routeAt] = meter.route
    this.#setClock(options.nowMillis)
  }

  #setClock(nowMillis: number | undefined): void {
    // One later: 0 stands for the clock of the machine.
    if (nowMillis !== undefined) this.#u64[nowMillisAt] = BigInt(Math.floor(nowMillis) + 1)
  }

  /** Whether reads leave encrypted batches as they are; `false` has to follow. */
  set readsAsStored(asStored: boolean) {
    this.#u32[flagsAt] = asStored ? 1 : 0
  }

  resetAppendOptions(): void {
    this.#u32[flagsAt] = 0
    this.#u32[epochAt] = 0
    this.#u32[producerSequenceAt] = 0
    this.#u32[recordBytesMaxAt] = 0
    this.#u32[keysRequiredAt] = 0
    this.#u32[usesReserveAt] = 0
    this.#u32[repeatsOnlyAt] = 0
    this.#u64[producerIdAt] = 0n
    this.#u64[expectedSequenceAt] = 0n
    if (this.#u32[isMeteredAt] === 0) return
    this.#u32[isMeteredAt] = 0
    this.#u64[nowMillisAt] = 0n
  }

  /** How long the last append has to wait; undefined where it was not beyond the limits. */
  get appendRetryAfterMs(): number | undefined {
    const isThrottled = ((this.#u32[answerFlagsAt] as number) & answerThrottled) !== 0
    return isThrottled ? this.#u32[retryMillisAt] : undefined
  }

  /** Whether the last append is acknowledged already. */
  get appendCommitted(): boolean {
    return ((this.#u32[answerFlagsAt] as number) & answerCommitted) !== 0
  }

  get appendFirstSequence(): bigint {
    return this.#u64[firstSequenceAt] as bigint
  }

  get appendEnd(): bigint {
    return this.#u64[nextPositionAt] as bigint
  }

  appendAnswer(): AppendAnswer {
    const flags = this.#u32[answerFlagsAt] as number
    return {
      firstSequenceNumber: this.#u64[firstSequenceAt] as SequenceNumber,
      count: this.#u32[recordCountAt] as number,
      durability: (flags & answerDurabilityOs) !== 0 ? 'os' : 'disk',
      duplicate: (flags & answerDuplicate) !== 0,
      endPosition: this.#u64[nextPositionAt] as Position,
    }
  }

  /** The options were checked before. */
  putRecords(
    routes: number,
    body: Uint8Array,
    durability: Durability,
    options: PutRecordsOptions,
  ): void {
    const u32 = this.#u32
    u32[routesAt] = routes
    u32[startAt] = options.start ?? 0
    u32[endAt] = body.length
    u32[durabilityAt] = durability === 'os' ? os : disk
    u32[epochAt] = options.epoch ?? 0
    u32[recordBytesMaxAt] = options.recordBytesMax ?? 0
    u32[keysRequiredAt] = options.keysRequired === true ? 1 : 0
    this.#setClock(options.nowMillis)
    try {
      this.handle.putRecords(body)
    } finally {
      u32[epochAt] = 0
      u32[recordBytesMaxAt] = 0
      u32[keysRequiredAt] = 0
      if (options.nowMillis !== undefined) this.#u64[nowMillisAt] = 0n
      this.#tellMoved()
    }
  }

  /** The answer of the last putRecords; its bytes are those of the block. */
  putAnswer(): PutRecordsAnswer {
    const u32 = this.#u32
    const rowCount = u32[rowCountAt] as number
    const parts: PutPart[] = new Array(rowCount)
    let durability: Durability = 'disk'
    for (let i = 0; i < rowCount; i += 1) {
      const at = firstRowAt + i * rowWords
      const code = u32[at + rowCode] as number
      const isOs = ((u32[at + rowFlags] as number) & answerDurabilityOs) !== 0
      if (code === 0 && isOs) durability = 'os'
      parts[i] = {
        route: u32[at + rowRoute] as number,
        count: u32[at + rowRecords] as number,
        firstSequenceNumber: this.#u64[at / 2 + rowFirstSequence] as SequenceNumber,
        errorCode: code === 0 ? undefined : (constants.errorCodes[code] as ErrorCode),
        retryAfterMs: code === throughputExceeded ? u32[at + rowRetryMillis] : undefined,
      }
    }
    return new LentPutAnswer(this.#bytes, u32[bytesAt] as number, {
      failedCount: u32[failedCountAt] as number,
      durability,
      parts,
    })
  }

  /**
   * What the last putRecords has to wait for: parts that are not committed, and those of slots on
   * which others wait already.
   */
  waitingParts(hasWaiting: (slot: number) => boolean): readonly WaitingPart[] {
    const u32 = this.#u32
    const rowCount = u32[rowCountAt] as number
    let parts: WaitingPart[] | undefined
    for (let i = 0; i < rowCount; i += 1) {
      const at = firstRowAt + i * rowWords
      if (u32[at + rowCode] !== 0) continue
      const slot = u32[at + rowSlot] as number
      const committed = ((u32[at + rowFlags] as number) & answerCommitted) !== 0
      if (committed && !hasWaiting(slot)) continue
      const endPosition = this.#u64[at / 2 + rowEndPosition] as bigint
      parts ??= []
      parts.push({ slot, endPosition, committed })
    }
    return parts ?? noParts
  }

  /** `available` is how many bytes are committed from `position` on: no slice is larger. */
  read(
    slot: number,
    position: bigint,
    bytesMax: number,
    available: bigint,
    committedNext: bigint,
    room: SliceMemory = this.#pool,
  ): Slice {
    const atMost = Math.min(bytesMax, segmentBytesMax)
    const wanted = available < BigInt(atMost) ? Number(available) : atMost
    let { memory, start } = room.reserve(wanted)
    this.#callRead(slot, position, bytesMax, memory, start)
    let bytes = this.#u32[bytesAt] as number
    if (bytes > memory.length - start) {
      // The first batch alone is larger than what was asked for.
      ;({ memory, start } = room.reserve(bytes))
      this.#callRead(slot, position, bytesMax, memory, start)
      bytes = this.#u32[bytesAt] as number
    }
    return this.#slice(room.take(memory, start, bytes), committedNext)
  }

  /** As `read`, without a copy. */
  readBorrowed(slot: number, position: bigint, bytesMax: number, committedNext: bigint): Slice {
    this.#u32[slotAt] = slot
    this.#u64[placeAt] = position
    this.#u32[bytesMaxAt] = bytesMax
    const segment = this.handle.read(null)
    const bytes =
      segment === undefined
        ? new Uint8Array(0)
        : new Uint8Array(segment, this.#u32[viewOffsetAt] as number, this.#u32[bytesAt] as number)
    return this.#slice(bytes, committedNext)
  }

  seek(slot: number, place: bigint, byTime: boolean): Position {
    this.#u32[slotAt] = slot
    this.#u64[placeAt] = place
    this.handle.seek(byTime)
    return this.#u64[nextPositionAt] as Position
  }

  trim(slot: number, sequence: bigint): void {
    this.#u32[slotAt] = slot
    this.#u64[placeAt] = sequence
    this.handle.trim()
  }

  #callRead(
    slot: number,
    position: bigint,
    bytesMax: number,
    memory: Uint8Array,
    start: number,
  ): void {
    const u32 = this.#u32
    u32[slotAt] = slot
    u32[bytesMaxAt] = bytesMax
    u32[startAt] = start
    u32[endAt] = memory.length
    this.#u64[placeAt] = position
    this.handle.read(memory)
  }

  #slice(bytes: Uint8Array, committedNext: bigint): Slice {
    const u64 = this.#u64
    return {
      bytes,
      position: u64[positionAt] as Position,
      nextPosition: u64[nextPositionAt] as Position,
      firstSequenceNumber: u64[firstSequenceAt] as SequenceNumber,
      nextSequenceNumber: u64[nextSequenceAt] as SequenceNumber,
      batchCount: this.#u32[batchCountAt] as number,
      recordCount: this.#u32[recordCountAt] as number,
      committedNextSequenceNumber: committedNext as SequenceNumber,
    }
  }
}
