/** Memory for small frames, of which there are many. */

const slabBytes = 16 * 1024
/** Longer frames have memory of their own. */
const sharedBytesMax = 1024

let slab = new Uint8Array(slabBytes)
let slabAt = 0

/**
 * Memory for a frame of at most `bytes`, which is nobody else's. Small ones stand side by side in a
 * larger piece of memory, as an ArrayBuffer for each would cost more than all the rest.
 */
export function allocateFrame(bytes: number): Uint8Array<ArrayBuffer> {
  if (bytes > sharedBytesMax) return new Uint8Array(bytes)
  if (slabAt + bytes > slabBytes) {
    slab = new Uint8Array(slabBytes)
    slabAt = 0
  }
  slabAt += bytes
  return slab.subarray(slabAt - bytes, slabAt)
}
