// Holds views over segments while the log lets go of them in every way, and reads them: a view
// shows its records or has length 0, and never ends the process.
//   node --expose-gc held-view.mjs <directory>
import { setTimeout } from 'node:timers/promises'
import { BatchBuilder, binding, openLog, SliceCursor, sequenceNumber } from './millrace.mjs'

const BATCHES = 60
const RECORDS = 20
const DATA_BYTES = 500

const log = await openLog({
  dir: process.argv[2],
  segmentBytesMin: 64 * 1024,
  segmentBytesMax: 64 * 1024,
  mappedSegmentsMax: 1, // so that each read drives the map of the one before it out
})
const [shard] = await log.createShards([sequenceNumber(1n)])

async function fill() {
  for (let batch = 0; batch < BATCHES; batch += 1) {
    const builder = new BatchBuilder()
    for (let i = 0; i < RECORDS; i += 1) builder.add('key', new Uint8Array(DATA_BYTES).fill(batch))
    await log.append(shard, builder, { durability: 'os' })
  }
}

function sequenceOf(batch) {
  return sequenceNumber(BigInt(batch * RECORDS + 1))
}

async function hold(batch) {
  const { bytes } = await log.read(shard, { sequenceNumber: sequenceOf(batch) }, 1, {
    borrow: true,
  })
  return { bytes, batch }
}

// Every byte is touched. Answers whether the view shows what its batch had.
function shows({ bytes, batch }) {
  const records = [...new SliceCursor(bytes)]
  return (
    records.length === RECORDS &&
    records.every(({ data }) => data.length === DATA_BYTES && data.every((it) => it === batch))
  )
}

async function collect() {
  for (let round = 0; round < 20; round += 1) {
    globalThis.gc()
    await setTimeout(1)
  }
}

await fill()
const views = []
for (let batch = 0; batch < BATCHES; batch += 1) views.push(await hold(batch))
await collect()
const kept = views.filter(shows).length

// Of what is trimmed nothing can be read; the rest is as it was.
const middle = BATCHES / 2
await log.trim(shard, sequenceOf(middle))
await collect()
await fill()
const gone = views.filter(({ bytes }) => bytes.length === 0).length
const left = views.slice(middle).filter(shows).length

const copies = await log.read(shard, { sequenceNumber: sequenceOf(middle) }, 1)
await log.close()
await collect()
const closed = views.filter(({ bytes }) => bytes.length === 0).length
const copied = shows({ bytes: copies.bytes, batch: middle })
process.stdout.write(
  JSON.stringify({ kept, gone, left, closed, copied, liveMappings: binding.liveMappings() }),
)
