// The built package, for scripts that run outside of vitest: Node 20 does not run TypeScript.
const built = new URL(process.env.MILLRACE_DIST ?? '../../../dist/', import.meta.url)

async function load(file) {
  try {
    return await import(new URL(file, built).href)
  } catch (error) {
    if (error.code !== 'ERR_MODULE_NOT_FOUND') throw error
    throw new Error(`${built} has no build; run "npm run build" first`, { cause: error })
  }
}

export const { BatchBuilder, openLog, sequenceNumber, SliceCursor, verify } = await load('index.js')
export const { binding, constants } = await load('log/binding.js')

/** A small generator of random numbers (mulberry32): the same seed, the same numbers. */
export function seededRandom(seed) {
  let state = seed >>> 0
  return () => {
    state = (state + 0x6d2b79f5) >>> 0
    let mixed = Math.imul(state ^ (state >>> 15), state | 1)
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61)
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32
  }
}
