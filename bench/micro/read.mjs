// E5 in JavaScript: the records of slices that are read 1 MiB at a time, as steps of a cursor, as
// lazy views of which nothing is decoded, and as views of which key, data and sequence number
// are.
import {
  addRow,
  measureRates,
  millrace,
  pick,
  printReport,
  someBytes,
  withLog,
} from './harness.mjs'

const recordsPerBatch = 500
const recordBytes = 100
const sliceBytes = 1024 * 1024

/** Reads the shard to its end and hands every slice to `consume`, which answers its records. */
function readAll(shard, consume) {
  let at = millrace.position(0n)
  let records = 0
  for (;;) {
    const slice = shard.readNow(at, sliceBytes)
    if (slice.bytes.length === 0) return records
    records += consume(slice)
    at = slice.nextPosition
  }
}

let seen = 0

const consumers = {
  'cursor steps': (slice) => {
    const cursor = new millrace.SliceCursor(slice.bytes)
    let records = 0
    while (cursor.next()) {
      seen += cursor.end - cursor.dataAt
      records += 1
    }
    return records
  },
  'lazy record views': (slice) => {
    let records = 0
    for (const record of new millrace.SliceCursor(slice.bytes)) {
      seen += record.arrivalMillis
      records += 1
    }
    return records
  },
  'record views, key, data and sequence number decoded': (slice) => {
    let records = 0
    for (const record of new millrace.SliceCursor(slice.bytes)) {
      seen += record.partitionKey.length + record.data.length
      if (record.sequenceNumber === 0n) throw new Error('a record without a sequence number')
      records += 1
    }
    return records
  },
}

await withLog(1, async (log, shards) => {
  const builder = new millrace.BatchBuilder()
  for (let i = 0; i < recordsPerBatch; i += 1) {
    builder.add(`key-${1000 + i}`, someBytes(recordBytes, i + 1))
  }
  const shard = log.shard(shards[0])
  const batches = pick(4000, 800, 4)
  for (let i = 0; i < batches; i += 1) shard.appendBatch(builder, 'os')
  await log.flush()
  for (const [name, consume] of Object.entries(consumers)) {
    let records = 0
    const { wall, cpu } = await measureRates({
      repetitions: pick(9, 5, 1),
      work: () => {
        records = readAll(shard, consume)
        return records
      },
    })
    if (records !== batches * recordsPerBatch) throw new Error(`${records} records were read`)
    addRow(name, wall, 'records/s', {
      params: { recordBytes, readBytesMax: sliceBytes, memory: 'cached segments, mapped' },
      info: { recordsPerCpuSecond: cpu.median },
      check: `${records} records`,
    })
  }
  if (seen === 0) throw new Error('nothing was seen')
})
printReport()
