// E3 and E4: appends from Node with `os` durability on recycled segments, one call per record
// (part one) and one call per batch of 500 (part batch), with and without packing.
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

/** One row: `append(i)` appends `recordsPerCall` records. */
async function bench(name, recordBytes, recordsPerCall, calls, makeAppend, limit) {
  await withLog(1, async (log, shards) => {
    const append = makeAppend(log.shard(shards[0]))
    let appended = 0
    const { wall, cpu } = await measureRates({
      repetitions,
      prepare: () => trimAll(log, shards),
      work: () => {
        for (let i = 0; i < calls; i += 1) append(i)
        appended += calls * recordsPerCall
        return calls * recordsPerCall
      },
    })
    const check = await checkRecords(log, shards, appended)
    addRow(name, wall, 'records/s', {
      params: { recordBytes, recordsPerCall, durability: 'os', memory: 'recycled segments' },
      info: {
        gigabytesPerSecond: (wall.median * recordBytes) / 1e9,
        recordsPerCpuSecond: cpu.median,
      },
      limit,
      check,
    })
  })
}

function packBatch(recordBytes) {
  const builder = new millrace.BatchBuilder()
  keys.forEach((key, i) => {
    builder.add(key, someBytes(recordBytes, i + 1))
  })
  return Buffer.from(builder.bytes)
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
    limit,
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
    limit,
  )
}

async function benchBatches(recordBytes) {
  const batch = packBatch(recordBytes)
  const calls = Math.max(2, Math.floor(pick(256e6, 64e6, 1e6) / batch.length))
  const name = `append 500 a call, ${sizeName(recordBytes)}`
  await bench(
    `${name}, packed before`,
    recordBytes,
    recordsPerBatch,
    calls,
    (shard) => () => shard.appendNow(batch, recordsPerBatch, 'os'),
  )
  const data = keys.map((_, i) => someBytes(recordBytes, i + 1))
  const builder = new millrace.BatchBuilder()
  await bench(`${name}, packing included`, recordBytes, recordsPerBatch, calls, (shard) => () => {
    builder.clear()
    for (let i = 0; i < recordsPerBatch; i += 1) builder.add(keys[i], data[i])
    shard.appendBatch(builder, 'os')
  })
}

if (wants('one')) await benchOneByOne()
if (wants('batch')) {
  await benchBatches(100)
  await benchBatches(1024)
}
printReport()
