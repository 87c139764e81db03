// The floor of the seam and the small operations above it, by tinybench: what a call costs before
// it does anything.
import { Bench } from 'tinybench'
import {
  addRow,
  binding,
  loadFloor,
  millrace,
  pick,
  printReport,
  someBytes,
  withLog,
} from './harness.mjs'

/** A clock cannot see one call: each sample is a thousand. */
const callsPerSample = 1000

function repeat(call) {
  return () => {
    for (let i = 0; i < callsPerSample; i += 1) call()
  }
}

async function run(operations) {
  const bench = new Bench({
    time: pick(1000, 200, 1),
    warmupTime: pick(300, 50, 1),
    iterations: pick(64, 16, 2),
    warmupIterations: pick(16, 4, 1),
  })
  for (const [name, call] of Object.entries(operations)) bench.add(name, repeat(call))
  await bench.run()
  for (const task of bench.tasks) {
    const { latency, error } = task.result
    if (error !== undefined) throw error
    const nanos = (millis) => (millis * 1e6) / callsPerSample
    const fields = {
      value: nanos(latency.p50),
      low: nanos(latency.min),
      high: nanos(latency.p99),
      repetitions: latency.samplesCount ?? latency.samples?.length ?? 0,
    }
    addRow(task.name, { fields }, 'ns', {
      check: `${fields.repetitions} x ${callsPerSample} calls`,
    })
  }
}

await withLog(1, async (log, shards) => {
  const bytes = someBytes(112)
  const record = new millrace.BatchBuilder()
  record.add('key-1234', someBytes(100))
  await log.append(shards[0], record, { durability: 'os' })
  const shard = log.shard(shards[0])
  const data = someBytes(100)
  const builder = new millrace.BatchBuilder()
  const floor = loadFloor()
  await run({
    ...(floor && {
      'N-API call, empty': () => floor.empty(),
      'N-API call with a typed array': () => floor.takeTypedArray(bytes),
    }),
    'call of the addon that answers a number': () => binding.liveMappings(),
    'committed position, no call': () => shard.committedEnd,
    'pack a record of 100 B': () => {
      builder.clear()
      builder.add('key-1234', data)
    },
    'new Uint8Array view': () => new Uint8Array(bytes.buffer, bytes.byteOffset, 100),
  })
})
printReport()
