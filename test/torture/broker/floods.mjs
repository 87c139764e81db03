// What goes on while a broker is flooded: the floods (flood.mjs), and a client that keeps its pace.
import { setTimeout as wait } from 'node:timers/promises'
import { Worker } from 'node:worker_threads'
import { TortureFailure } from '../lib/failure.mjs'
import { PUT_RECORD } from './wire-client.mjs'

const PUTS_PER_SECOND = 100
export const LATE_MILLIS = 1000
const script = new URL('./flood.mjs', import.meta.url)

// Answers what the flood has done, once it is over: `done` times, with `refusals`. Throws when it has
// done nothing, or was refused with what it must not try again.
export async function runFlood(workerData) {
  const worker = new Worker(script, { workerData })
  const { done, refusals } = await new Promise((resolve, reject) => {
    worker.once('message', resolve)
    worker.once('error', reject)
  })
  const { kind } = workerData
  if (done === 0) throw new TortureFailure(`the flood ${kind} has done nothing`)
  const final = [...refusals.keys()].find((how) => how.endsWith('for good'))
  if (final !== undefined) throw new TortureFailure(`the flood ${kind} was refused with ${final}`)
  return { done, refusals }
}

// Puts by a timetable for so long: latencies of what was acknowledged, from when it was due, and how
// often it was refused, to come again.
export async function pace(client, stream, millis) {
  const began = performance.now()
  const latencies = []
  const wrong = []
  let put = 0
  let refused = 0
  const ask = async (dueAt) => {
    try {
      const record = ['k', Buffer.from('steady')]
      await client.ask(PUT_RECORD, stream, null, [record], null, 0, 0)
      latencies.push(performance.now() - dueAt)
    } catch (error) {
      if (error.retryAfterMs > 0) refused += 1
      else wrong.push(error)
    }
  }
  const asked = []
  while (performance.now() - began < millis) {
    const due = Math.floor(((performance.now() - began) * PUTS_PER_SECOND) / 1000)
    for (; put < due; put += 1) asked.push(ask(began + (put * 1000) / PUTS_PER_SECOND))
    await wait(5)
  }
  await Promise.race([Promise.all(asked), wait(LATE_MILLIS)])
  if (wrong.length > 0) throw new TortureFailure(`who keeps its pace: ${wrong[0].message}`)
  return { put, refused, latencies: [...latencies] }
}
