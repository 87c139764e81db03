// Loaded into a broker before everything else: tells at the end what has become of that which all
// objects share.
import { writeSync } from 'node:fs'
import { isDeepStrictEqual } from 'node:util'

const SHARED = { Object, Array, Function, String, Number, Map, Promise, Uint8Array, Error }

function look() {
  return Object.entries(SHARED).map(([name, { prototype }]) => {
    return [name, Object.getOwnPropertyDescriptors(prototype)]
  })
}

let before
// What the parts of the broker do to them while they are loaded is theirs.
setImmediate(() => {
  before = look()
})
process.on('exit', () => {
  if (before === undefined) return
  for (const [at, [name, descriptors]] of look().entries()) {
    if (!isDeepStrictEqual(descriptors, before[at][1])) writeSync(2, `${name} was polluted\n`)
  }
})
