/** Memory for small frames, of which there are many. */

const slabBytes = 16 * 1024
/** Longer frames have memory of their own. */
const sharedBytesMax = 1024

let slab = new Uint8Array(slabBytes)
let slabAt = 0

/** Where a frame is being written: `memory` from `start` on, at most as far as was asked for. */
export interface FramePlace {
  readonly memory: Uint8Array<ArrayBuffer>
  readonly start: number
}

/**
 * Memory for a frame of at most `bytes`, which is nobody else's. Small ones stand side by side in a
 * larger piece of memory, as an ArrayBuffer for each would cost more than all the rest.
 */
export function placeFrame(bytes: number): FramePlace {
  if (bytes > sharedBytesMax) return { memory: new Uint8Array(bytes), start: 0 }
  if (slabAt + bytes > slabBytes) {
    slab = new Uint8Array(slabBytes)
    slabAt = 0
  }
  slabAt += bytes
  return { memory: slab, start: slabAt - bytes }
}

/** As `placeFrame`, as a view. */
export function allocateFrame(bytes: number): Uint8Array<ArrayBuffer> {
  const { memory, start } = placeFrame(bytes)
  return memory.subarray(start, start + bytes)
}
