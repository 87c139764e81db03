/**
 * The committed positions of all shards: memory that the core writes and this thread reads without
 * a call. Every load is atomic and acquires what was committed before it.
 */

import { constants, type NativeLogHandle } from './binding.ts'

const words = constants.slot.words
const slotsPerChunk = constants.slot.slotsPerChunk

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

  committedEnd(slot: number): bigint {
    return this.#load(slot, constants.slot.committedEnd)
  }

  committedNextSequence(slot: number): bigint {
    return this.#load(slot, constants.slot.committedNextSequence)
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
