// What this process holds of memory: what is left of it when all is given back that can be. How far
// V8 has grown its heap, garbage, and what malloc keeps of what was freed come and go by tens of
// MiB under one and the same load, and what grows for ever would be lost among them.
import { setImmediate } from 'node:timers/promises'
import { getHeapSpaceStatistics, setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import { anonymousKibibytesOf } from '../lib/process.mjs'
import { loadFloor } from './floor.mjs'

// What a finalizer lets go of is garbage for the next collection.
const collections = 3

let collect

async function collectGarbage() {
  if (collect === undefined) {
    setFlagsFromString('--expose-gc')
    collect = runInNewContext('gc')
  }
  for (let done = 0; done < collections; done += 1) {
    collect()
    await setImmediate()
  }
}

/** Pages of its heap that V8 keeps for what will be allocated. */
function unusedHeapBytes() {
  return getHeapSpaceStatistics().reduce(
    (sum, it) => sum + it.physical_space_size - it.space_used_size,
    0,
  )
}

/** Without the pages of files that are mapped, which the kernel can take back. */
export async function heldKibibytes() {
  await collectGarbage()
  loadFloor()?.trimMalloc()
  return anonymousKibibytesOf(process.pid) - unusedHeapBytes() / 1024
}
