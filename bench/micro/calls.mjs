// Operations of nanoseconds, by tinybench.
import { Bench } from 'tinybench'
import { addRow, pick } from './harness.mjs'

/** A clock cannot see one call: each sample is a thousand. */
const callsPerSample = 1000

function checkAll(operations) {
  for (const [name, [call, isRight]] of Object.entries(operations)) {
    if (!isRight(call())) throw new Error(`${name}: the answer is wrong`)
  }
}

function repeat(call) {
  return () => {
    for (let i = 0; i < callsPerSample; i += 1) call()
  }
}

/**
 * One row for each of the operations, in nanoseconds a call. `[call, isRight]`: what the call answers
 * before the clock starts and after it has stopped has to be right.
 */
export async function benchCalls(operations) {
  const bench = new Bench({
    time: pick(1000, 200, 1),
    warmupTime: pick(300, 50, 1),
    iterations: pick(64, 16, 2),
    warmupIterations: pick(16, 4, 1),
  })
  for (const [name, [call]] of Object.entries(operations)) bench.add(name, repeat(call))
  checkAll(operations)
  await bench.run()
  checkAll(operations)
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
      check: `${fields.repetitions} x ${callsPerSample} calls, answered right before and after`,
    })
  }
}
