/**
 * Memory for copies of small slices: cut from slabs, as an allocation of its own costs more than
 * the copy. A slab lives as long as any slice that was cut from it. Large slices get memory of
 * their own.
 */

const slabBytes = 1024 * 1024
const pooledBytesMax = 64 * 1024
const alignment = 8

/** Where copies of slices go to. */
export interface SliceMemory {
  /** Room for `bytes` bytes, from `start`; nothing is taken before `take`. */
  reserve(bytes: number): { readonly memory: Uint8Array<ArrayBuffer>; readonly start: number }
  /** The first `bytes` bytes of what was reserved last. */
  take(memory: Uint8Array<ArrayBuffer>, start: number, bytes: number): Uint8Array<ArrayBuffer>
}

export class SlicePool implements SliceMemory {
  #slab: Uint8Array<ArrayBuffer> = new Uint8Array(0)
  #used = 0

  reserve(bytes: number): { readonly memory: Uint8Array<ArrayBuffer>; readonly start: number } {
    if (bytes > pooledBytesMax) return { memory: allocate(bytes), start: 0 }
    if (this.#slab.length - this.#used < bytes) {
      this.#slab = allocate(slabBytes)
      this.#used = 0
    }
    return { memory: this.#slab, start: this.#used }
  }

  take(memory: Uint8Array<ArrayBuffer>, start: number, bytes: number): Uint8Array<ArrayBuffer> {
    if (memory === this.#slab) {
      this.#used = Math.ceil((start + bytes) / alignment) * alignment
    }
    return new Uint8Array(memory.buffer, memory.byteOffset + start, bytes)
  }
}

const scratchBytesMin = 1024

/** Room for one slice at a time, which the next one takes: for readers that are done by then. */
export class SliceScratch implements SliceMemory {
  #memory: Uint8Array<ArrayBuffer> = new Uint8Array(0)

  /** Bytes that it holds. */
  get size(): number {
    return this.#memory.length
  }

  reserve(bytes: number): { readonly memory: Uint8Array<ArrayBuffer>; readonly start: number } {
    if (this.#memory.length < bytes) {
      let room = scratchBytesMin
      while (room < bytes) room *= 2
      this.#memory = allocate(room)
    }
    return { memory: this.#memory, start: 0 }
  }

  take(memory: Uint8Array<ArrayBuffer>, start: number, bytes: number): Uint8Array<ArrayBuffer> {
    return new Uint8Array(memory.buffer, memory.byteOffset + start, bytes)
  }
}

/** Every byte that is handed out is written before, so it need not be zeroed. */
function allocate(bytes: number): Uint8Array<ArrayBuffer> {
  return Buffer.allocUnsafeSlow(bytes) as Uint8Array<ArrayBuffer>
}
