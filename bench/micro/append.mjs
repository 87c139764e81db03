// E3 and E4: appends from Node on recycled segments, one call per record (part one) and one call per
// batch of 500 (part batch), with and without packing; with `os` durability, and batches with `disk`.
import {
  addRow,
  checkRecords,
  loadFloor,
  measureRates,
  millrace,
  pick,
  printReport,
  Series,
  sizeName,
  someBytes,
  trimAll,
  wants,
  withLog,
} from './harness.mjs'

const recordsPerBatch = 500
const repetitions = pick(9, 5, 1)
/** Batches that wait for the sync at once: as many as the peers beside that row have. */
const inFlight = 64
const keys = Array.from({ length: recordsPerBatch }, (_, i) => `key-${1000 + i}`)

/** What a call that takes bytes and does nothing reaches, in calls per second. */
function floorRate() {
  const floor = loadFloor()
  if (floor === undefined) return undefined
  const bytes = someBytes(112)
  const calls = pick(1_000_000, 300_000, 1000)
  const series = new Series()
  for (let repetition = 0; repetition < repetitions; repetition += 1) {
    const start = process.hrtime.bigint()
    for (let i = 0; i < calls; i += 1) floor.takeTypedArray(bytes)
    series.add(calls / (Number(process.hrtime.bigint() - start) / 1e9))
  }
  return { name: 'N-API call with a typed array', value: series.median, unit: 'records/s' }
}

/** Calls that are done when they return. */
function callAll(append, calls) {
  for (let i = 0; i < calls; i += 1) append(i)
}

/** Calls that answer a promise, some of them in flight. */
async function callAhead(append, calls) {
  const waiting = []
  for (let i = 0; i < calls; i += 1) {
    waiting.push(append(i))
    if (waiting.length === inFlight) await waiting.shift()
  }
  await Promise.all(waiting)
}

/** One row: `append(i)` appends `recordsPerCall` records. */
async function bench(name, recordBytes, recordsPerCall, calls, makeAppend, more = {}) {
  const { limit, durability = 'os' } = more
  const callEach = durability === 'disk' ? callAhead : callAll
  await withLog(1, async (log, shards) => {
    const append = makeAppend(log.shard(shards[0]))
    let appended = 0
    const { wall, cpu } = await measureRates({
      repetitions,
      prepare: () => trimAll(log, shards),
      work: async () => {
        await callEach(append, calls)
        appended += calls * recordsPerCall
        return calls * recordsPerCall
      },
    })
    const check = await checkRecords(log, shards, appended)
    addRow(name, wall, 'records/s', {
      params: { recordBytes, recordsPerCall, durability, memory: 'recycled segments' },
      info: {
        gigabytesPerSecond: (wall.median * recordBytes) / 1e9,
        recordsPerCpuSecond: cpu.median,
      },
      limit,
      check,
    })
  })
}

/** Packs 500 records anew with each call. */
function packing(recordBytes) {
  const data = keys.map((_, i) => someBytes(recordBytes, i + 1))
  const builder = new millrace.BatchBuilder()
  return () => {
    builder.clear()
    for (let i = 0; i < recordsPerBatch; i += 1) builder.add(keys[i], data[i])
    return builder
  }
}

async function benchOneByOne() {
  const recordBytes = 100
  const calls = pick(1_000_000, 200_000, 500)
  const limit = floorRate()
  const encoded = new millrace.BatchBuilder()
  encoded.add('key-1234', someBytes(recordBytes))
  const record = Buffer.from(encoded.bytes)
  await bench(
    'append one record a call, encoded, 100 B',
    recordBytes,
    1,
    calls,
    (shard) => () => shard.appendNow(record, 1, 'os'),
    { limit },
  )
  const data = keys.map((_, i) => someBytes(recordBytes, i + 1))
  const builder = new millrace.BatchBuilder()
  await bench(
    'append one record a call, key and Buffer, 100 B',
    recordBytes,
    1,
    calls,
    (shard) => (i) => {
      builder.clear()
      builder.add(keys[i % recordsPerBatch], data[i % recordsPerBatch])
      shard.appendBatch(builder, 'os')
    },
    { limit },
  )
}

async function benchBatches(recordBytes) {
  const pack = packing(recordBytes)
  const batch = Buffer.from(pack().bytes)
  const calls = Math.max(2, Math.floor(pick(256e6, 64e6, 1e6) / batch.length))
  const name = `append 500 a call, ${sizeName(recordBytes)}`
  await bench(
    `${name}, packed before`,
    recordBytes,
    recordsPerBatch,
    calls,
    (shard) => () => shard.appendNow(batch, recordsPerBatch, 'os'),
  )
  await bench(`${name}, packing included`, recordBytes, recordsPerBatch, calls, (shard) => () => {
    shard.appendBatch(pack(), 'os')
  })
}

/** What is packed is copied by the call, so that it can be packed again while the sync runs. */
async function benchSynced() {
  const recordBytes = 100
  const name = `append 500 a call, ${sizeName(recordBytes)}, disk, ${inFlight} in flight`
  const pack = packing(recordBytes)
  const append = (shard) => () => {
    shard.appendBatch(pack(), 'disk')
    return shard.acknowledged()
  }
  const calls = pick(4000, 400, 2)
  await bench(name, recordBytes, recordsPerBatch, calls, append, { durability: 'disk' })
}

if (wants('one')) await benchOneByOne()
if (wants('batch')) {
  await benchBatches(100)
  await benchBatches(1024)
  await benchSynced()
}
printReport()
