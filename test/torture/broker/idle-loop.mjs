// An event loop with nothing to do, in a thread of its own: how late it is, nobody's work has made it.
// Answers each message with the milliseconds at p99.9 since the last one.
import { monitorEventLoopDelay } from 'node:perf_hooks'
import { parentPort } from 'node:worker_threads'

const RESOLUTION_MILLIS = 10
const NANOS_PER_MILLI = 1e6

const monitor = monitorEventLoopDelay({ resolution: RESOLUTION_MILLIS })
monitor.enable()
parentPort.on('message', () => {
  const millis = monitor.percentile(99.9) / NANOS_PER_MILLI - RESOLUTION_MILLIS
  monitor.reset()
  parentPort.postMessage(Math.max(0, millis))
})
