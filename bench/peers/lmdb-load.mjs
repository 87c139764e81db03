// node lmdb-load.mjs PACKAGE DIRECTORY WORKLOAD RECORDS: puts or reads records of 8 bytes of key and
// 100 of data, and says on standard output what it took, as JSON.
import { mkdtempSync, rmSync } from 'node:fs'
import { createRequire } from 'node:module'
import { join } from 'node:path'
import { someBytes } from '../micro/some-bytes.mjs'

const recordsPerBatch = 500
const recordBytes = 108
const batchesInFlight = 64
const mapBytes = 32 * 2 ** 30

const [packageDirectory, parent, workload, count] = process.argv.slice(2)
const records = Math.ceil(Number(count) / recordsPerBatch) * recordsPerBatch
const { open } = createRequire(import.meta.url)(packageDirectory)
const values = Array.from({ length: recordsPerBatch }, (_, i) =>
  Buffer.from(someBytes(recordBytes, i + 1)),
)
// Numbers go up, as those of a log do: LMDB has a faster way for that.
const inOrder = { append: true }

/** lmdb gathers puts into transactions by itself; that is at its best with some hundred of them. */
async function putOneByOne(db, first) {
  for (let i = 0; i < records; i += recordsPerBatch) {
    let last
    for (const [j, value] of values.entries()) last = db.put(first + i + j, value, inOrder)
    await last
  }
}

/** What is put while a commit is synced goes into the next one. */
async function putAhead(db, first) {
  const waiting = []
  for (let i = 0; i < records; i += recordsPerBatch) {
    let last
    for (const [j, value] of values.entries()) last = db.put(first + i + j, value, inOrder)
    waiting.push(last)
    if (waiting.length === batchesInFlight) await waiting.shift()
  }
  await Promise.all(waiting)
}

function putBatches(db, first) {
  for (let i = 0; i < records; i += recordsPerBatch) {
    db.transactionSync(() => {
      for (let j = 0; j < recordsPerBatch; j += 1) db.putSync(first + i + j, values[j], inOrder)
    })
  }
}

function getOneByOne(db) {
  let bytes = 0
  for (let i = 0; i < records; i += 1) bytes += db.getBinaryFast(i).length
  return bytes
}

function getRange(db) {
  let bytes = 0
  for (const { value } of db.getRange({})) bytes += value.length
  return bytes
}

/** Runs `work`, which answers how many bytes it has read, or nothing where it wrote. */
async function timed(work) {
  const cpuStart = process.cpuUsage()
  const start = process.hrtime.bigint()
  const bytes = await work()
  const seconds = Number(process.hrtime.bigint() - start) / 1e9
  const { user, system } = process.cpuUsage(cpuStart)
  return { bytes, seconds, cpuSeconds: (user + system) / 1e6 }
}

const writes = { one: putOneByOne, batches: putBatches, 'batches, synced': putAhead }

async function run(db) {
  const isWrite = Object.hasOwn(writes, workload)
  if (!isWrite) putBatches(db, 0)
  const work = { ...writes, get: getOneByOne, range: getRange }[workload]
  const { bytes, seconds, cpuSeconds } = await timed(() => work(db, 0))
  const there = db.getCount()
  if (there !== records) throw new Error(`${there} records are there, not ${records}`)
  if (!isWrite && bytes !== records * recordBytes) throw new Error(`${bytes} bytes were read`)
  return { records, seconds, cpuSeconds, check: `${there} records counted` }
}

const path = mkdtempSync(join(parent, 'lmdb-'))
const db = open({
  path: join(path, 'data'),
  encoding: 'binary',
  keyEncoding: 'uint32',
  // A put is answered once its commit is on disk, or without any sync at all.
  ...(workload === 'batches, synced' ? { overlappingSync: false } : { noSync: true }),
  mapSize: mapBytes,
})
try {
  process.stdout.write(`${JSON.stringify(await run(db))}\n`)
} finally {
  await db.close()
  rmSync(path, { recursive: true })
}
