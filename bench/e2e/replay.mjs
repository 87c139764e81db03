// R2: replay of a cached shard to the JavaScript client, in a process of its own on the last
// processor. The limit is what the same client decodes in memory, without a broker.
import { join } from 'node:path'
import { addRow, logOptions, pick, printReport, Series, withScratch } from '../micro/harness.mjs'
import { loadPart } from '../micro/package.mjs'
import { Control } from './control.mjs'
import { looks } from './looks.mjs'
import { rawBatch } from './raw-batch.mjs'
import { runConsumer, startBroker } from './servers.mjs'

const { SliceCursor } = await loadPart('wire/slice-cursor.js')

const dist = process.env.MILLRACE_BENCH_DIST
const stream = 'bench'
const load = { records: 545, recordBytes: 100 }
const frames = Math.ceil(pick(2e9, 200e6, 1e6) / (load.records * load.recordBytes))
const repetitions = pick(5, 2, 1)

/** Records a second that are looked at in a slice that is in memory. */
function inMemory(look) {
  const { bytes } = rawBatch(load.records, load.recordBytes)
  const times = Math.ceil(frames / 10)
  const start = performance.now()
  for (let i = 0; i < times; i += 1) looks[look](new SliceCursor(bytes))
  return (times * load.records) / ((performance.now() - start) / 1000)
}

async function measure(broker, { name, look, unit, scale }) {
  const rate = new Series()
  const cpuRate = new Series()
  const idle = new Series()
  const limit = new Series()
  let last
  for (let turn = -1; turn < repetitions; turn += 1) {
    const records = frames * load.records
    const limitRate = look === 'batches' ? 0 : inMemory(look)
    last = await runConsumer([broker.port, stream, records, look, broker.pid])
    if (turn < 0) continue
    limit.add(limitRate)
    rate.add((last.records / last.seconds) * scale)
    cpuRate.add(last.records / Math.max(last.serverCpuSeconds, 1e-6))
    idle.add(last.idleShare)
  }
  addRow(name, rate, unit, {
    params: { ...load, frames, look },
    info: { recordsPerBrokerCpuSecond: cpuRate.median, consumerIdleShare: idle.median },
    ...(limit.median > 0 && {
      limit: { name: 'the same in memory', value: limit.median * scale, unit },
    }),
    cpuSeconds: { broker: last.serverCpuSeconds, generator: last.cpuSeconds },
    check: `verified: true, ${last.verified}`,
  })
}

await withScratch(async (scratch) => {
  const broker = await startBroker(dist, join(scratch, 'data'), { logOptions })
  try {
    const control = await Control.connect(broker.port)
    await control.createStream(stream, 1)
    control.close()
    await broker.ask({ do: 'fill', stream, frames, ...load })
    const inRecords = { unit: 'records/s', scale: 1 }
    await measure(broker, {
      name: 'replay to the JavaScript client, whole batches',
      look: 'batches',
      unit: 'GB/s',
      scale: load.recordBytes / 1e9,
    })
    await measure(broker, {
      name: 'replay to the JavaScript client, data of each record',
      look: 'views',
      ...inRecords,
    })
    await measure(broker, {
      name: 'replay to the JavaScript client, key, data and number of each record',
      look: 'decoded',
      ...inRecords,
    })
  } finally {
    await broker.stop()
  }
})
printReport()
