/**
 * The committed positions of all shards: memory that the core writes and this thread reads without
 * a call. Every load is atomic and acquires what was committed before it.
 */

import { constants, type NativeLogHandle } from './binding.ts'
import type { ReadableRange } from './log.ts'

const words = constants.slot.words
const slotsPerChunk = constants.slot.slotsPerChunk

/** A slot in halves of its words, which are read without making bigints: two of each, from here. */
export interface SlotWords {
  readonly words: Int32Array
  readonly endAt: number
  readonly stateAt: number
}

export class CommittedPositions {
  readonly #handle: NativeLogHandle
  readonly #chunks: BigUint64Array[] = []

  constructor(handle: NativeLogHandle) {
    this.#handle = handle
  }

  /** The chunk of a slot that the core knows, for `loadWord`. Valid for ever, also after close. */
  chunk(slot: number): BigUint64Array {
    const index = Math.floor(slot / slotsPerChunk)
    const known = this.#chunks[index]
    if (known !== undefined) return known
    const buffer = this.#handle.committedChunk(index)
    if (buffer === undefined) throw new RangeError(`slot ${slot} is not one of this log`)
    const chunk = new BigUint64Array(buffer)
    this.#chunks[index] = chunk
    return chunk
  }

  /** What changes when more can be read from a slot, or when nothing can any more. */
  words(slot: number): SlotWords {
    const line = (slot % slotsPerChunk) * words
    const endAt = 2 * (line + constants.slot.committedEnd)
    const stateAt = 2 * (line + constants.slot.state)
    return { words: new Int32Array(this.chunk(slot).buffer), endAt, stateAt }
  }

  committedEnd(slot: number): bigint {
    return this.#load(slot, constants.slot.committedEnd)
  }

  committedNextSequence(slot: number): bigint {
    return this.#load(slot, constants.slot.committedNextSequence)
  }

  readableRange(slot: number): ReadableRange {
    return {
      firstSequenceNumber: this.#load(slot, constants.slot.firstSequence),
      committedNextSequenceNumber: this.committedNextSequence(slot),
    }
  }

  appendedEnd(slot: number): bigint {
    return this.#load(slot, constants.slot.appendedEnd)
  }

  /** Why the shard takes no appends, as the number of an error code; 0 = it does. */
  state(slot: number): number {
    return Number(this.#load(slot, constants.slot.state))
  }

  #load(slot: number, word: number): bigint {
    return Atomics.load(this.chunk(slot), (slot % slotsPerChunk) * words + word)
  }
}
