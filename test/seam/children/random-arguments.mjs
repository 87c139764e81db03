// Calls every export of native with random arguments: wrong types, huge, negative and NaN numbers,
// detached, shared and resizable memory, objects whose getters throw, a block full of junk.
// Whatever comes back, the process lives.
//   node random-arguments.mjs <directory> <seed> <count>
import { mkdirSync } from 'node:fs'
import { BatchBuilder, binding, constants, seededRandom } from './millrace.mjs'

const [directory, seedText, countText] = process.argv.slice(2)
const seed = Number(seedText)
const random = seededRandom(seed)
const pick = (list) => list[Math.floor(random() * list.length)]
const noop = () => undefined

mkdirSync(directory, { recursive: true })

function open(dir) {
  return new Promise((resolve, reject) => {
    binding.open(dir, constants.openDefaults, noop, (error, handle) => {
      if (error === undefined) resolve(handle)
      else reject(error)
    })
  })
}

function control(handle, operation, list) {
  return new Promise((resolve, reject) => {
    handle.control(constants.controlOperations[operation], 0n, 0n, list, (error, answer) => {
      if (error === undefined) resolve(answer)
      else reject(error)
    })
  })
}

function detached() {
  const bytes = new Uint8Array(64)
  structuredClone(bytes.buffer, { transfer: [bytes.buffer] })
  return bytes
}

const builder = new BatchBuilder()
builder.add('key', new Uint8Array(40))
const thrower = new Proxy(
  {},
  {
    get: () => {
      throw new Error('a getter threw')
    },
  },
)
const numbers = [
  0,
  1,
  2,
  3,
  5,
  6,
  -1,
  0.5,
  64,
  2 ** 31,
  2 ** 32 - 1,
  2 ** 32,
  2 ** 53,
  -(2 ** 40),
  Number.NaN,
  Number.POSITIVE_INFINITY,
]
const bigints = [0n, 1n, 2n, 3n, -1n, 2n ** 32n, 2n ** 63n, 2n ** 64n - 1n, 2n ** 64n, -(2n ** 70n)]
const values = [
  () => undefined,
  () => null,
  () => pick(numbers),
  () => pick(bigints),
  () => random() < 0.5,
  () => '',
  () => 'a string',
  () => '\ud800',
  () => Symbol('s'),
  () => noop,
  () => ({}),
  () => [],
  () => thrower,
  () => new Date(),
  () => builder.bytes,
  () => new Uint8Array(random() * 200),
  () => new Uint8Array(0),
  () => detached(),
  () => new Uint8Array(new SharedArrayBuffer(32)),
  () => new Uint8Array(new ArrayBuffer(16, { maxByteLength: 64 })),
  () => new Float64Array(4),
  () => new BigUint64Array(pick([0, 1, 9, 40])),
  () => new DataView(new ArrayBuffer(8)),
  () => new ArrayBuffer(8),
  () => Buffer.from('buffer'),
  () => new Uint8Array(100).subarray(50),
]
const value = () => pick(values)()

/** Up to three maps of one shard each, of which some are there. */
function routeTable() {
  const maps = Array.from({ length: Math.floor(random() * 4) }, () => {
    const map = new DataView(new ArrayBuffer(32))
    map.setBigUint64(0, random() < 0.9 ? 1n : 2n ** 61n)
    map.setBigUint64(8, 2n ** 64n - 1n)
    map.setBigUint64(16, 2n ** 64n - 1n)
    map.setBigUint64(24, pick(bigints.filter((it) => it >= 0n && it < 2n ** 64n)))
    return new Uint8Array(map.buffer)
  })
  return new Uint8Array(Buffer.concat(maps))
}

/** Master keys: the length of the id, the id, 32 bytes. */
function keyTable() {
  const ids = ['k1', 'k2', 'k'.repeat(64)].filter(() => random() < 0.7)
  return new Uint8Array(
    Buffer.concat(
      ids.map((id) =>
        Buffer.concat([Buffer.from([id.length]), Buffer.from(id), Buffer.alloc(32, 7)]),
      ),
    ),
  )
}

/**
 * Arguments of the right types with any values: so that what stands behind the checks is tried too.
 */
const rightTypes = {
  append: () => [builder.bytes],
  putRecords: () => [pick([builder.bytes, new Uint8Array(100)])],
  read: () => [pick([null, new Uint8Array(300)])],
  seek: () => [random() < 0.5],
  trim: () => [],
  setRoutes: () => [
    pick(numbers),
    pick([null, new Uint8Array(32).fill(255), routeTable()]),
    pick([null, new BigUint64Array(pick([0, 1, 4, 8])).fill(BigInt(Math.floor(random() * 9)))]),
  ],
  setKeys: () => [pick([new Uint8Array(0), new Uint8Array(33).fill(1), keyTable()])],
  setEncryption: () => [
    BigUint64Array.of(1n, pick([1n, 2n, 99n])),
    pick([null, 'k1', 'k2', 'x'.repeat(65)]),
    pick(bigints),
  ],
  setReferenced: () => [random() < 0.5],
  control: () => [Math.floor(random() * 7), pick(bigints), pick(bigints), null, noop],
  stats: () => [Math.floor(random() * 5), pick(numbers)],
  committedChunk: () => [pick(numbers)],
  shardSlot: () => [pick(bigints)],
  open: () => ['a string', constants.openDefaults, noop, noop],
  verify: () => ['a string', noop],
  payloadBytes: () => [pick([slice, slice.subarray(9)]), pick(numbers), pick(numbers)],
  setListenBacklog: () => [pick(numbers), pick(numbers)],
}

/** What a call may do besides failing is undone here, so that every export is tried for ever. */
const skipped = new Set(['setErrorFactory'])
let openCount = 0

/**
 * An open that works would fill the disk: its first argument is never a name that can be created.
 */
function argumentsOf(name) {
  const list = Array.from({ length: Math.floor(random() * 6) }, value)
  if (random() < 0.5)
    rightTypes[name]?.().forEach((argument, i) => {
      list[i] = argument
    })
  if ((name === 'open' || name === 'verify') && typeof list[0] === 'string') list[0] = '/dev/null/x'
  if (name === 'control' && list[0] === constants.controlOperations.close) list[0] = 99
  // A scrub at a byte per second is no fault, but the end of the process would wait for it.
  if (name === 'control' && list[0] === constants.controlOperations.scrub) list[2] = 0n
  if (name === 'control' && list[0] === constants.controlOperations.createShards) list[0] = 4
  return list
}

function scribble(block) {
  const u32 = new Uint32Array(block, 0, Math.floor(block.byteLength / 4))
  const u64 = new BigUint64Array(block, 0, Math.floor(block.byteLength / 8))
  const { block: at } = constants
  for (const field of [
    at.slot,
    at.start,
    at.end,
    at.count,
    at.flags,
    at.durability,
    at.epoch,
    at.producerSequence,
    at.bytesMax,
    at.routes,
    at.recordBytesMax,
    at.keysRequired,
    at.usesReserve,
    at.isMetered,
    at.route,
    at.repeatsOnly,
  ]) {
    u32[field] = random() < 0.7 ? Math.floor(random() * 3) : Math.floor(random() * 2 ** 32)
  }
  if (random() < 0.3)
    Object.assign(u32, { [at.end]: builder.size, [at.start]: 0, [at.count]: 1, [at.flags]: 0 })
  for (const field of [at.producerId, at.expectedSequence, at.place, at.nowMillis]) {
    u64[field] =
      random() < 0.7 ? BigInt(Math.floor(random() * 3)) : BigInt.asUintN(64, pick(bigints))
  }
}

/** One batch as a reader gets it, from the first shard. */
async function readBack() {
  const u32 = new Uint32Array(handle.block, 0, Math.floor(handle.block.byteLength / 4))
  const { block: at } = constants
  u32[at.end] = builder.size
  u32[at.count] = 1
  handle.append(builder.bytes)
  await control(handle, 'flush', null)
  const target = new Uint8Array(1024)
  Object.assign(u32, { [at.bytesMax]: 1024, [at.start]: 0, [at.end]: target.length })
  handle.read(target)
  return target.slice(0, u32[at.bytes])
}

let handle = await open(`${directory}/log`)
await control(handle, 'createShards', BigUint64Array.of(1n, 2n ** 63n))
const slice = await readBack()
const closed = await open(`${directory}/closed`)
await control(closed, 'close', null)
const moduleCalls = Object.entries(binding).filter(
  ([name, f]) => typeof f === 'function' && !skipped.has(name),
)
const tally = { returned: 0, threw: 0, coded: 0 }

function callOnce() {
  const target = pick([handle, handle, handle, closed, binding])
  const calls =
    target === binding
      ? moduleCalls
      : Object.entries(target).filter(([, f]) => typeof f === 'function')
  const [name, call] = pick(calls)
  if (target !== binding) scribble(target.block)
  try {
    call.apply(pick([undefined, null, {}, target, 7]), argumentsOf(name))
    tally.returned += 1
  } catch (error) {
    tally.threw += 1
    if (error.code !== undefined) tally.coded += 1
    else throw error
  }
}

const count = Number(countText)
for (let i = 0; i < count; i += 1) {
  callOnce()
  // Lets what runs on control threads end, and their answers in.
  if (i % 2000 === 1999)
    await new Promise((resolve) => {
      setImmediate(resolve)
    })
  openCount += 1
}
handle.setReferenced(false)
await control(handle, 'close', null)
handle = undefined
process.stdout.write(`${JSON.stringify({ seed, calls: openCount, ...tally })}\n`)
