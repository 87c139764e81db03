/**
 * The quick calls of a native handle with their requests and answers in its shared block. Knows
 * which field is where; decides nothing.
 */

import { constants, type NativeLogHandle } from './binding.ts'
import type {
  AppendAnswer,
  AppendOptions,
  Durability,
  Position,
  SequenceNumber,
  Slice,
} from './log.ts'
import { SlicePool } from './slice-pool.ts'

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
  recordBytesMax: recordBytesMaxAt,
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
  answerDuplicate,
  answerCommitted,
  answerDurabilityOs,
} = constants.block
const { row } = constants
const { disk, os } = constants.durabilities

/** A shard's part of a PutRecords request that was appended and is not committed yet. */
export interface UncommittedPart {
  readonly slot: number
  readonly endPosition: bigint
}

export class NativeCalls {
  readonly handle: NativeLogHandle
  readonly #u32: Uint32Array
  readonly #u64: BigUint64Array
  readonly #bytes: Uint8Array
  readonly #pool = new SlicePool()

  constructor(handle: NativeLogHandle) {
    this.handle = handle
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
    this.handle.append(bytes)
  }

  /** Sets what `append` leaves at its defaults; `resetAppendOptions` has to follow. */
  setAppendOptions(options: AppendOptions, codec: number): void {
    this.#u32[flagsAt] = codec
    this.#u32[epochAt] = options.epoch ?? 0
    this.#u32[producerSequenceAt] = options.producerSequence ?? 0
    this.#u32[recordBytesMaxAt] = options.recordBytesMax ?? 0
    this.#u64[producerIdAt] = options.producerId ?? 0n
    this.#u64[expectedSequenceAt] = options.expectedSequenceNumber ?? 0n
  }

  resetAppendOptions(): void {
    this.#u32[flagsAt] = 0
    this.#u32[epochAt] = 0
    this.#u32[producerSequenceAt] = 0
    this.#u32[recordBytesMaxAt] = 0
    this.#u64[producerIdAt] = 0n
    this.#u64[expectedSequenceAt] = 0n
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

  putRecords(
    routes: number,
    body: Uint8Array,
    durability: Durability,
    epoch: number,
    recordBytesMax: number,
  ): void {
    const u32 = this.#u32
    u32[routesAt] = routes
    u32[startAt] = 0
    u32[endAt] = body.length
    u32[durabilityAt] = durability === 'os' ? os : disk
    u32[epochAt] = epoch
    u32[recordBytesMaxAt] = recordBytesMax
    try {
      this.handle.putRecords(body)
    } finally {
      u32[epochAt] = 0
      u32[recordBytesMaxAt] = 0
    }
  }

  get putFailedCount(): number {
    return this.#u32[failedCountAt] as number
  }

  /** A copy of the answer of the last putRecords. */
  putAnswer(): Uint8Array<ArrayBuffer> {
    const at = constants.block.putAnswer
    return new Uint8Array(this.#bytes.subarray(at, at + (this.#u32[bytesAt] as number)))
  }

  /** What the last putRecords has to wait for. */
  uncommittedParts(): UncommittedPart[] {
    const parts: UncommittedPart[] = []
    const rowCount = this.#u32[rowCountAt] as number
    for (let i = 0; i < rowCount; i += 1) {
      const byte = constants.block.rows + i * row.bytes
      const code = this.#u32[byte / 4 + row.code] as number
      const flags = this.#u32[byte / 4 + row.answerFlags] as number
      if (code === 0 && (flags & answerCommitted) === 0) {
        parts.push({
          slot: this.#u32[byte / 4 + row.slot] as number,
          endPosition: this.#u64[byte / 8 + row.endPosition] as bigint,
        })
      }
    }
    return parts
  }

  /** `available` is how many bytes are committed from `position` on: no slice is larger. */
  read(slot: number, position: bigint, bytesMax: number, available: bigint): Slice {
    const wanted = available < BigInt(bytesMax) ? Number(available) : bytesMax
    let { memory, start } = this.#pool.reserve(wanted)
    this.#callRead(slot, position, bytesMax, memory, start)
    let bytes = this.#u32[bytesAt] as number
    if (bytes > memory.length - start) {
      // The first batch alone is larger than what was asked for.
      ;({ memory, start } = this.#pool.reserve(bytes))
      this.#callRead(slot, position, bytesMax, memory, start)
      bytes = this.#u32[bytesAt] as number
    }
    return this.#slice(this.#pool.take(memory, start, bytes))
  }

  /** As `read`, without a copy. */
  readBorrowed(slot: number, position: bigint, bytesMax: number): Slice {
    this.#u32[slotAt] = slot
    this.#u64[placeAt] = position
    this.#u32[bytesMaxAt] = bytesMax
    const segment = this.handle.read(null)
    const bytes =
      segment === undefined
        ? new Uint8Array(0)
        : new Uint8Array(segment, this.#u32[viewOffsetAt] as number, this.#u32[bytesAt] as number)
    return this.#slice(bytes)
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

  #slice(bytes: Uint8Array): Slice {
    const u64 = this.#u64
    return {
      bytes,
      position: u64[positionAt] as Position,
      nextPosition: u64[nextPositionAt] as Position,
      firstSequenceNumber: u64[firstSequenceAt] as SequenceNumber,
      nextSequenceNumber: u64[nextSequenceAt] as SequenceNumber,
      batchCount: this.#u32[batchCountAt] as number,
      recordCount: this.#u32[recordCountAt] as number,
    }
  }
}
