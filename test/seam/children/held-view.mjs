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

function isWhole({ bytes, batch }) {
  const records = [...new SliceCursor(bytes)]
  return (
    records.length === RECORDS &&
    records.every(({ data }) => data.length === DATA_BYTES && data.every((it) => it === batch))
  )
}

// Touches every byte. What was unmapped under a view may by now be mapped for something else, so
// the wrong bytes are as bad as a signal.
function demandWhole(held) {
  for (const view of held) {
    let whole = false
    try {
      whole = isWhole(view)
    } catch (cause) {
      throw new Error(`the view of batch ${view.batch} changed under its holder`, { cause })
    }
    if (!whole) throw new Error(`the view of batch ${view.batch} changed under its holder`)
  }
  return held.length
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
const kept = demandWhole(views)

// Of what is trimmed nothing can be read; the rest is as it was.
const middle = BATCHES / 2
await log.trim(shard, sequenceOf(middle))
await collect()
await fill()
const gone = views.filter(({ bytes }) => bytes.length === 0).length
if (gone !== middle)
  throw new Error(`of ${middle} trimmed views ${middle - gone} can still be read`)
const left = demandWhole(views.slice(middle))

const copy = await log.read(shard, { sequenceNumber: sequenceOf(middle) }, 1)
await log.close()
await collect()
const closed = views.filter(({ bytes }) => bytes.length === 0).length
if (closed !== BATCHES) throw new Error('after close, views can still be read')
const copied = isWhole({ bytes: copy.bytes, batch: middle })
process.stdout.write(
  JSON.stringify({ kept, gone, left, closed, copied, liveMappings: binding.liveMappings() }),
)
