// A subscriber in a thread of its own that reads a stream from its beginning again and again, as fast
// as it comes. `workerData`: { port, stream, next }, the number behind its last record. It posts the
// bytes that it has read whenever it is asked.
import { parentPort, workerData } from 'node:worker_threads'
import { SubscriberLane } from './subscriber-lane.mjs'

const { port, stream, next } = workerData
let bytes = 0

async function readOnce() {
  const ended = new Promise((resolve) => {
    const lane = new SubscriberLane(port, stream, (records) => {
      bytes += records.length
      if (lane.next === next) resolve(lane)
    })
    lane.next = 1n
    void lane.subscribe()
  })
  const lane = await ended
  lane.destroy()
}

parentPort.on('message', () => parentPort.postMessage(bytes))
for (;;) await readOnce()
